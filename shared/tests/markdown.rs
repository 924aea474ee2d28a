//! Markdown through its public face: the look of the design, the hostile corpus (A60 to A67), bombs (A73) and terminals.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say so at once")]

use ajet_shared::id::UserId;
use ajet_shared::markdown::{Line, Style, mentions, plain, to_html, to_spans};

const OLA: &str = "01936b5e-7c0d-7b1e-9a55-2f6f2a3f9d10";

fn resolve(name: &str) -> Option<UserId> {
    (name == "ola").then(|| OLA.parse().unwrap())
}

fn html(body: &str) -> String {
    to_html(body, &resolve).to_string()
}

const LINK: &str = r#"rel="nofollow noopener noreferrer ugc""#;

#[test]
fn everyday_messages_look_like_the_design() {
    assert_eq!(
        html("**bold** *it* ~~no~~ `code`"),
        "<p><strong>bold</strong> <em>it</em> <del>no</del> <code>code</code></p>"
    );
    assert_eq!(html("one\ntwo"), "<p>one<br>two</p>");
    assert_eq!(html("# Title\n## Sub"), "<h3>Title</h3><h4>Sub</h4>");
    assert_eq!(html("> quoted"), "<blockquote><p>quoted</p></blockquote>");
    assert_eq!(html("3. a\n4. b"), r#"<ol start="3"><li>a</li><li>b</li></ol>"#);
}

#[test]
fn code_blocks_are_figures() {
    assert_eq!(
        html("```Rust\nlet a = 1 < 2;\n\n```"),
        "<figure class=\"codeblock\"><figcaption><span>rust</span></figcaption><pre tabindex=\"0\" aria-label=\"Code, rust\">\
         <code class=\"language-rust\">let a = 1 &lt; 2;\n\n</code></pre></figure>"
    );
    assert!(
        html("```\" onclick=x\nx\n```")
            .contains("<pre tabindex=\"0\" aria-label=\"Code\"><code>x\n</code>")
    );
}

#[test]
fn tables_scroll_and_numbers_stand_right() {
    assert_eq!(
        html("| a | b |\n|---|--:|\n| 1 | 2 |"),
        "<div class=\"table-scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table\"><table><thead><tr><th>a</th><th class=\"r\">b</th>\
         </tr></thead><tbody><tr><td>1</td><td class=\"r\">2</td></tr></tbody></table></div>"
    );
}

#[test]
fn tasks_have_boxes() {
    let page = html("- [x] done @ola\n- [ ] open");
    assert!(page.starts_with("<ul><li class=\"task\"><input "), "{page}");
    for part in [
        "checked",
        "disabled",
        "type=\"checkbox\"",
        "aria-label=\"done\"",
        "aria-label=\"not done\"",
        "class=\"mention u-",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(html("- [x] a\n\n- b").contains("<li class=\"task\"><p><input "));
}

#[test]
fn mentions_of_known_people_are_marked() {
    let chip = "<span class=\"mention u-01936b5e7c0d7b1e9a552f6f2a3f9d10\">@Ola</span>";
    assert_eq!(html("hi @Ola, and @nobody"), format!("<p>hi {chip}, and @nobody</p>"));
    assert_eq!(html("@here"), "<p><span class=\"mention all\">@here</span></p>");
    assert_eq!(html("`@ola`"), "<p><code>@ola</code></p>");
}

#[test]
fn addresses_are_links() {
    let link =
        |url: &str, text: &str| format!("<a href=\"{url}\" target=\"_blank\" {LINK}>{text}</a>");
    let sorted = |page: String| {
        page.replace(&format!("{LINK} target=\"_blank\""), &format!("target=\"_blank\" {LINK}"))
    };
    assert_eq!(
        sorted(html("see https://a.example/x_y_z.")),
        format!("<p>see {}.</p>", link("https://a.example/x_y_z", "https://a.example/x_y_z"))
    );
    assert_eq!(
        sorted(html("[x](https://a.example/?a=1&b=2)")),
        format!("<p>{}</p>", link("https://a.example/?a=1&amp;b=2", "x"))
    );
    assert_eq!(
        sorted(html("<me@a.example>")),
        format!("<p>{}</p>", link("mailto:me@a.example", "me@a.example"))
    );
    // A host that may only look like another one shows what it is.
    assert!(html("[bank](https://аpple.example)").contains("bank (xn--pple-43d.example)</a>"));
    assert_eq!(
        sorted(html("![chart](https://a.example/c.png)")),
        format!("<p>{}</p>", link("https://a.example/c.png", "🖼 chart"))
    );
}

/// The corpus of A60 to A62, A66 and A67. Nothing of it may come out as an element, an attribute or a link that does something.
const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](\u{1}javascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](file:///etc/passwd)",
    "[x](\\\\host\\share)",
    "[x](//evil.example)",
    "[x](/logout)",
    "![](/logout)",
    "![x](javascript:alert(1))",
    "![](data:image/svg+xml,<svg onload=alert(1)>)",
    "[x][r]\n\n[r]: javascript:alert(1)",
    "<javascript:alert(1)>",
    "[x](https://a.example \"\\\" onmouseover=alert(1) \\\"\")",
    "[x](<https://a.example/\" onclick=\"alert(1)>)",
    "```\"><script>alert(1)</script>\nx\n```",
    "```js\" data-init=\"@get('/x')\n</code></pre><script>alert(1)</script>\n```",
    "<div data-on:click=\"@post('/x')\" data-init=x data-signals=y style=position:fixed id=app class=btn>x</div>",
    "<style>*{display:none}</style>",
    "<base href=//evil.example>",
    "<form action=/logout method=post><button>x</button></form>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "**<b onclick=alert(1)>x</b>**",
    "| <script>alert(1)</script> |\n|---|\n| <img src=x onerror=alert(1)> |",
    "- [x] <input type=text autofocus onfocus=alert(1)>",
    "@ola\"><script>alert(1)</script>",
    "<span class=\"mention u-01936b5e7c0d7b1e9a552f6f2a3f9d10\">@boss</span>",
    "https://a.example/\"onmouseover=alert(1)//",
    "<https://a.example/'onmouseover=alert(1)>",
    "$x @get('/api/me') '+alert(1)+' ${1} \u{2028}",
];

#[test]
fn hostile_markup_stays_text() {
    for body in HOSTILE {
        let page = html(body);
        let rest = strip_known(&page);
        assert!(!rest.contains('<') && !rest.contains('>'), "{body:?} gave {page}");
        for href in page.split("<a href=\"").skip(1) {
            assert!(href.starts_with("https://a.example"), "{body:?} gave {page}");
        }
    }
    assert!(
        !html("<span class=\"mention\">x</span>").contains("<span"),
        "a user cannot draw a mention"
    );
}

/// Takes away every tag that the renderer may make, with exactly the attributes it may have.
fn strip_known(page: &str) -> String {
    let mut rest = String::new();
    let mut from = page;
    while let Some(open) = from.find('<') {
        rest.push_str(&from[..open]);
        let close = open + from[open..].find('>').unwrap();
        let closing = from[open + 1..].starts_with('/');
        let tag = from[open + 1..close].trim_start_matches('/');
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let known = match name {
            "p" | "br" | "strong" | "em" | "del" | "code" | "ul" | "li" | "table" | "thead"
            | "tbody" | "tr" | "th" | "td" | "figure" | "figcaption" | "blockquote" | "hr" => {
                attributes.is_empty()
                    || ["class=\"codeblock\"", "class=\"task\""].contains(&attributes)
                    || attributes == "class=\"language-js\""
            }
            "span" if !closing => {
                attributes.is_empty() || attributes.starts_with("class=\"mention u-")
            }
            "pre" if !closing => attributes.starts_with("tabindex=\"0\" aria-label=\"Code"),
            "div" if !closing => {
                attributes
                    == "class=\"table-scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table\""
            }
            "input" => {
                attributes
                    .replace(" checked=\"\"", "")
                    .starts_with("type=\"checkbox\" disabled=\"\" aria-label=")
                    && attributes.matches('=').count() <= 4
            }
            "a" | "span" | "pre" | "div" if closing => attributes.is_empty(),
            "a" => {
                attributes.starts_with("href=\"https://a.example")
                    && attributes.matches('"').count() == 6
            }
            _ => false,
        };
        if !known {
            rest.push_str(&from[open..=close]);
        }
        from = &from[close + 1..];
    }
    rest.push_str(from);
    rest
}

#[test]
fn what_turns_text_around_is_shown() {
    assert_eq!(html("a\u{202e}b"), "<p>a·b</p>");
    assert_eq!(html("`a\u{200b}b`"), "<p><code>a·b</code></p>");
    assert_eq!(html("esc\u{1b}[31m"), "<p>esc\u{fffd}[31m</p>");
}

#[test]
fn bombs_do_not_go_off() {
    let bombs = [
        "[".repeat(16_000),
        "![".repeat(8_000),
        "[a](".repeat(4_000),
        "[a][b](".repeat(2_000),
        ">".repeat(16_000),
        "> ".repeat(8_000),
        "- ".repeat(8_000),
        "*a ".repeat(5_000),
        "**a _b ".repeat(2_200),
        "*".repeat(16_000),
        "_a_".repeat(5_000),
        "~~a".repeat(5_000),
        "`".repeat(16_000),
        (0..170).map(|n| "`".repeat(n) + " ").collect(),
        "<".repeat(16_000),
        "<a ".repeat(5_000),
        "<!--".repeat(4_000),
        "<?".repeat(8_000),
        "&".repeat(16_000),
        "\\\n".repeat(8_000),
        "\n".repeat(10_000) + "x",
        "a\n\n".repeat(5_000),
        format!("{}\n{}\n{}", "|a".repeat(2_000), "|-".repeat(2_000), "|b".repeat(2_000)),
        format!("|a|\n|-|\n{}", "|b|\n".repeat(3_900)),
        format!("{}\n{}\n{}", "|a".repeat(100), "|-".repeat(100), "|\n".repeat(7_800)),
        "@ola ".repeat(3_200),
        "https://a.b ".repeat(1_300),
        "http://(".repeat(2_000),
        format!("https://a{}", ")".repeat(15_000)),
        format!("https://a{}", "(".repeat(15_000)),
        "https://".repeat(2_000),
        "# ".repeat(8_000),
        (0..2_000).map(|n| format!("[{n}]: x\n")).collect::<Vec<_>>().concat(),
        "[x]\n".repeat(3_000) + "[x]: https://a.b",
        (0..120).map(|depth| " ".repeat(depth * 2) + "- a\n").collect(),
        "1. ".repeat(5_000),
        "- [x] ".repeat(2_600),
        "a@".repeat(8_000),
        "\u{202e}".repeat(16_000),
        "a\u{301}".repeat(8_000),
    ];
    // On a stack far smaller than a server's, so that recursion into nesting would show; what comes out stays in
    // proportion to what came in.
    let small_stack = std::thread::Builder::new().stack_size(1024 * 1024);
    let outcome = small_stack.spawn(move || {
        for bomb in bombs {
            let start: String = bomb.chars().take(20).collect();
            let html = to_html(&bomb, &resolve).to_string();
            assert!(html.len() <= 64 * bomb.len(), "html of {start:?}… has {} bytes", html.len());
            let spans: usize = to_spans(&bomb, 80).iter().map(|line| line.text().len()).sum();
            assert!(spans <= 64 * bomb.len(), "the lines of {start:?}… have {spans} bytes");
            assert!(mentions(&bomb).users.len() <= bomb.len());
            // A hundred characters and the ellipsis.
            assert!(plain(&bomb, 100).chars().count() <= 101, "the summary of {start:?}…");
        }
    });
    outcome.unwrap().join().unwrap();
}

#[test]
fn summaries_are_one_line() {
    assert_eq!(plain("# Hi\n\n**all**, see `x`\n\n```\na\nb\n```", 100), "Hi all, see x a b");
    assert_eq!(plain("- [x] a\n- b", 100), "☑ a b");
    assert_eq!(plain("[text](https://a.b) <b>x</b>", 100), "text <b>x</b>");
    assert_eq!(plain("田辺 ゆき さん", 4), "田辺 ゆ…");
    assert_eq!(plain("exact", 5), "exact");
}

fn text(lines: &[Line]) -> String {
    lines.iter().map(|line| line.text().trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_terminal_gets_the_same_message() {
    let body = "# Title\n\nHi **all** of @ola\nnext\n\n- one\n- [x] two\n  1. deep\n\n> quote\n> more\n\n```rust\nlet a;\n\n\tb\n```\nend https://a.b/c";
    assert_eq!(
        text(&to_spans(body, 40)),
        "Title\n\nHi all of @ola\nnext\n\n• one\n• ☑ two\n  1. deep\n\n▏ quote\n▏ more\n\n┌ rust\n│ let a;\n│\n│     b\n└\n\nend https://a.b/c"
    );
}

#[test]
fn styles_and_links_are_on_the_spans() {
    let lines = to_spans("**b** *i* ~~s~~ `c` @ola [l](https://a.b) [js](javascript:x)", 80);
    let find = |text: &str| lines[0].spans.iter().find(|span| span.text == text).unwrap();
    for (text, style) in [
        ("b", Style::BOLD),
        ("i", Style::ITALIC),
        ("s", Style::STRIKE),
        ("c", Style::CODE),
        ("@ola", Style::MENTION),
        ("l", Style::LINK),
    ] {
        assert!(find(text).style.contains(style), "{text}");
    }
    assert_eq!(find("l").link.as_deref(), Some("https://a.b/"));
    assert!(lines[0].spans.iter().filter(|span| span.link.is_some()).count() == 1);
}

#[test]
fn tables_are_aligned_cut_or_told_row_by_row() {
    let body = "| Path | p50 |\n|---|--:|\n| Post to publish | 6 ms |\n| 田辺 | 14 ms |";
    assert_eq!(
        text(&to_spans(body, 40)),
        "Path               p50\n───────────────  ─────\nPost to publish   6 ms\n田辺             14 ms"
    );
    assert_eq!(
        text(&to_spans(body, 20)),
        "Path             p50\n─────────────  ─────\nPost to publ…   6 ms\n田辺           14 ms"
    );
    let wide =
        format!("|{}\n|{}\n|{}", "head|".repeat(12), "-|".repeat(12), "long value|".repeat(12));
    assert!(text(&to_spans(&wide, 40)).starts_with("head: long value\nhead: long value"));
}

#[test]
fn a_terminal_gets_no_control_characters_from_markdown() {
    for body in [
        "\x1b[31mx",
        "`\x1b]0;t\x07`",
        "```\n\x1b[2J\ra\n```",
        "[a\x1b[0m](https://a.b/\x1b)",
        "|\x1b[1m|\n|-|\n|\u{9b}x|",
    ] {
        for line in to_spans(body, 40) {
            for span in &line.spans {
                assert!(!span.text.chars().any(char::is_control), "{body:?}: {:?}", span.text);
                assert!(!span.link.as_deref().unwrap_or_default().chars().any(char::is_control));
            }
        }
    }
}
