"""Responses that try to be more than text, by what they try. None does anything but set `window.__pwned`."""

import unicodedata

PWN = "window.__pwned=1"

HOSTILE: dict[str, str] = {
    "script": f"<script>{PWN}</script>",
    "script closing the data block": f"</script><script>{PWN}</script>",
    "script closing a style": f"</style><script>{PWN}</script>",
    "script closing title and textarea": f"</title></textarea><script>{PWN}</script>",
    "script in capitals with spaces": f"<ScRiPt\n >{PWN}</sCrIpT >",
    "script from elsewhere": "<script src=https://evil.invalid/x.js></script>",
    "module script": f"<script type=module>{PWN}</script>",
    "image with onerror": f"<img src=x onerror={PWN}>",
    "image from elsewhere": "<img src=https://evil.invalid/pixel.gif>",
    "picture source": "<picture><source srcset=https://evil.invalid/a.webp></picture>",
    "svg with onload": f"<svg onload={PWN}>",
    "svg with script": f"<svg><script>{PWN}</script></svg>",
    "svg animate": f"<svg><animate onbegin={PWN} attributeName=x dur=1s>",
    "svg use": "<svg><use href='https://evil.invalid/x.svg#a'></use></svg>",
    "svg foreignObject": f"<svg><foreignObject><body onload={PWN}></foreignObject></svg>",
    "math": f"<math><mtext><img src=x onerror={PWN}></mtext></math>",
    "body onload": f"<body onload={PWN}>",
    "details ontoggle": f"<details open ontoggle={PWN}>x</details>",
    "input autofocus": f"<input autofocus onfocus={PWN}>",
    "marquee": f"<marquee onstart={PWN}>x</marquee>",
    "iframe srcdoc": f"<iframe srcdoc='<script>parent.{PWN}</script>'></iframe>",
    "iframe javascript": f"<iframe src=javascript:{PWN}></iframe>",
    "object data": f"<object data='data:text/html,<script>{PWN}</script>'></object>",
    "embed": "<embed src=https://evil.invalid/x.swf>",
    "javascript link": f"<a href=javascript:{PWN}>click</a>",
    "markdown javascript link": f"[click](javascript:{PWN})",
    "markdown image": "![pixel](https://evil.invalid/pixel.png)",
    "markdown html": f"**bold** <b onmouseover={PWN}>x</b>",
    "meta refresh": "<meta http-equiv=refresh content='0;url=https://evil.invalid/'>",
    "base": "<base href=https://evil.invalid/>",
    "link stylesheet": "<link rel=stylesheet href=https://evil.invalid/x.css>",
    "link prefetch": "<link rel=prefetch href=https://evil.invalid/x>",
    "style import": "<style>@import 'https://evil.invalid/x.css';</style>",
    "style over everything": "<div style='position:fixed;inset:0;background:red;z-index:999999'>owned</div>",
    "style that hides": "<style>*{display:none!important}</style>",
    "css background": "<p style=\"background:url('https://evil.invalid/x')\">x</p>",
    "form": "<form action=https://evil.invalid/><input name=a><button>send</button></form>",
    "comment": "<!-- --><script>window.__pwned=1</script><!-- -->",
    "broken comment": "<!--><img src=x onerror=window.__pwned=1>",
    "cdata": "<![CDATA[<script>window.__pwned=1</script>]]>",
    "entities": "&lt;script&gt;window.__pwned=1&lt;/script&gt; &amp;amp; &#x3C;b&#x3E;",
    "template": "{{ constructor.constructor('window.__pwned=1')() }} ${window.__pwned=1} {% raw %} <%= 1 %>",
    "attribute breakout": f"\" onmouseover=\"{PWN}\" x=\"' onmouseover='{PWN}' x='",
    "json breakout": '"}]}</script><script>window.__pwned=1</script>{"a":["',
    "prototype pollution": '{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}',
    "right-to-left override": "start \u202egnihtyreve nrut\u202c end",
    "right-to-left isolate, unclosed": "before \u2067 after \u2066 and more",
    "arabic and latin": "abc \u0645\u0631\u062d\u0628\u0627 def \u05e9\u05dc\u05d5\u05dd",
    "control characters": "a\x00b\x07c\x08d\x1b[31mred\x1b[0m\x7f\x9b",
    "line separators": "one\u2028two\u2029three\x85four",
    "lone surrogates": "half \ud83d and \udc00 halves",
    "prototype key": "__proto__",
    "constructor key": "constructor",
    "text hidden in tag characters": "hello"
    + "".join(chr(0xE0000 + ord(letter)) for letter in "ignore this"),
    "letters without a shape": "a\u3164b\uffa0c\u115fd\u180ee",
    "homoglyphs": "\u0430dm\u0456n p\u0430yp\u0430l \uff1cscript\uff1e",
    "marked words that are markup": "<b>one two three four</b> and <i>one two three four</i>",
    "zalgo": "z" + "\u0301\u0316\u0337" * 200,
    "zero width": "in\u200bvis\u200cible\ufeff\u2060",
    "emoji": "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f3f4\u200d\u2620\ufe0f",
    "many line breaks": "\n" * 3000 + "end",
    "tabs and spaces": "\t" * 500 + "   x   ",
    "one long word": "x" * 60_000,
    "a megabyte on one line": "lorem <b>ipsum</b> " * 55_189,
    "empty": "",
    "white space": "   \n\t ",
}

NAMES = {
    0x202A: "LRE", 0x202B: "RLE", 0x202C: "PDF", 0x202D: "LRO", 0x202E: "RLO", 0x2066: "LRI", 0x2067: "RLI",
    0x2068: "FSI", 0x2069: "PDI", 0x200E: "LRM", 0x200F: "RLM", 0x061C: "ALM", 0x200B: "ZWSP", 0x2060: "WJ",
    0xFEFF: "BOM", 0x00AD: "SHY", 0x2028: "LS", 0x2029: "PS",
}  # fmt: skip
SHAPELESS = "\u115f\u1160\u3164\uffa0"
SHOWN_FORMATS = "\t\n\u200c\u200d\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2"


def as_shown(text: str) -> str:
    """The text with a name or number in the place of each character that is not seen."""

    def one(character: str) -> str:
        unseen = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") or character in SHAPELESS
        if not unseen or character in SHOWN_FORMATS:
            return character
        return NAMES.get(ord(character)) or f"U+{ord(character):04X}"

    return "".join(map(one, text))
