"""How pages look: one stylesheet, with colours of their own on a page and the surroundings' in a notebook."""

from __future__ import annotations

from noria.app.pages.html import Html, escape, tag

# Text has a contrast of 4.5 or more on its ground. The lines' colours stay apart for colour-blind eyes (after Okabe
# and Ito), lighter on a dark ground.
_LIGHT = """--paper:#fff;--panel:#f5f7f8;--ink:#1b2430;--soft:#5a6570;--rule:#dfe4e8;--accent:#0b6e4f;
--good:#0b6e4f;--bad:#b3261e;--wait:#8a5a00;--good-ground:#e3f3ec;--bad-ground:#fbe9e7;--wait-ground:#fbf1dc;
--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#b8578c;--c4:#c08a00;--c5:#3a9bd0;--c6:#7a5cc2;--c7:#6b7280"""
_DARK = """--paper:#14181d;--panel:#1c2229;--ink:#e6e9ed;--soft:#9aa5b1;--rule:#303943;--accent:#4fc59a;
--good:#4fc59a;--bad:#ff8a80;--wait:#e8b84a;--good-ground:#16352a;--bad-ground:#43211f;--wait-ground:#3a2e12;
--c0:#4ea3e0;--c1:#ff8b3d;--c2:#2fc596;--c3:#e59cc5;--c4:#f2b632;--c5:#8fd0f5;--c6:#a993ee;--c7:#a3acb8"""
# In a notebook nobody says whether the ground is light or dark: the text's own colour, and middle tones.
_AROUND = """--paper:transparent;--panel:rgba(128,136,144,.1);--ink:currentColor;--soft:color-mix(in srgb,currentColor 68%,transparent);
--rule:rgba(128,136,144,.35);--accent:#178a64;--good:#178a64;--bad:#d5544b;--wait:#a87411;
--good-ground:rgba(23,138,100,.14);--bad-ground:rgba(213,84,75,.14);--wait-ground:rgba(168,116,17,.16);
--c0:#2f86c9;--c1:#d9691e;--c2:#12a37c;--c3:#c46a9c;--c4:#c98f0a;--c5:#4aa5d8;--c6:#8b6fd0;--c7:#808891"""

_RULES = """
.noria{color:var(--ink);font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;text-align:left}
.noria *{box-sizing:border-box}
.noria h1{font-size:28px;line-height:1.2;margin:0;font-weight:650;letter-spacing:-.01em;overflow-wrap:anywhere}
.noria h2{font-size:17px;line-height:1.3;margin:44px 0 12px;font-weight:650}
.noria h3{font-size:14px;margin:20px 0 8px;font-weight:600}
.noria p{margin:8px 0;max-width:72ch}
.noria .soft{color:var(--soft)}
.noria .bad{color:var(--bad)}
.noria code,.noria pre,.noria .mono{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.noria pre{background:var(--panel);border-radius:6px;padding:12px 14px;margin:8px 0;overflow-x:auto;white-space:pre}
.noria .badge{display:inline-block;padding:1px 9px;border-radius:99px;font-size:13px;font-weight:600;vertical-align:middle;white-space:nowrap}
.noria .badge.good{color:var(--good);background:var(--good-ground)}
.noria .badge.bad{color:var(--bad);background:var(--bad-ground)}
.noria .badge.wait{color:var(--wait);background:var(--wait-ground)}
.noria .head{display:flex;flex-wrap:wrap;align-items:center;gap:6px 12px;margin-bottom:6px}
.noria .wide{overflow-x:auto;max-width:100%}
.noria table{border-collapse:collapse;font-size:13.5px;line-height:1.45;margin:0;color:inherit;background:none;border:0;width:auto;table-layout:auto}
.noria th,.noria td{padding:6px 20px 6px 0;text-align:left;vertical-align:top;border:0;border-bottom:1px solid var(--rule);background:none;color:inherit;max-width:none;white-space:normal}
.noria th{font-weight:600;color:var(--soft);font-size:12.5px;white-space:nowrap}
.noria td.num,.noria th.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.noria td.best{font-weight:700;color:var(--good)}
.noria td.nowrap{white-space:nowrap}
.noria tr.mine td{background:var(--panel)}
.noria dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(230px,100%),1fr));gap:14px 28px;margin:18px 0 0}
.noria dl div{min-width:0}
.noria dt{color:var(--soft);font-size:12.5px;margin:0}
.noria dd{margin:1px 0 0;overflow-wrap:anywhere}
.noria .charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(330px,100%),1fr));gap:24px 28px}
.noria figure{margin:0;min-width:0}
.noria figcaption{display:flex;flex-wrap:wrap;gap:2px 10px;font-size:13.5px;margin-bottom:6px;overflow-wrap:anywhere}
.noria figcaption .soft{font-size:12.5px}
.noria svg{display:block;width:100%;height:auto;overflow:visible}
.noria svg text{font:11.5px system-ui,sans-serif;fill:currentColor;opacity:.72}
.noria svg .grid{stroke:var(--rule);stroke-width:1}
.noria svg .line{fill:none;stroke-width:1.8;stroke-linejoin:round;vector-effect:non-scaling-stroke}
.noria svg .many{stroke:var(--c0);stroke-width:1;opacity:.35}
.noria svg .line.best{stroke:var(--accent);stroke-width:2.4}.noria .key.best{background:var(--accent)}
.noria svg .spot{fill:var(--c0);fill-opacity:.6}
.noria svg .spot.best{fill:var(--accent);fill-opacity:1}
.noria svg .axis{stroke:var(--soft);stroke-width:1}
.noria svg .mark{font-size:10.5px;paint-order:stroke;stroke:var(--paper);stroke-width:3px;opacity:.9}
.noria .legend{font-size:12.5px;display:flex;flex-wrap:wrap;gap:2px 16px;margin:6px 0 0;overflow-wrap:anywhere}
.noria .legend b{font-variant-numeric:tabular-nums;font-weight:600}
.noria .key{display:inline-block;width:14px;height:3px;border-radius:2px;margin:0 6px 3px 0;vertical-align:middle}
.noria .gantt{display:grid;grid-template-columns:minmax(0,max-content) minmax(0,max-content) minmax(160px,1fr) max-content;grid-auto-flow:row dense;gap:9px 20px;font-size:13.5px;align-items:center}
.noria .gantt>*{min-width:0;overflow-wrap:anywhere}
.noria .gantt .name{max-width:240px}
.noria .gantt .why{max-width:300px;font-size:12.5px;line-height:1.35}
.noria .gantt .num{text-align:right;font-variant-numeric:tabular-nums}
.noria .track{position:relative;height:14px;background:var(--panel);border-radius:3px;padding:0!important;overflow:hidden}
.noria .track i{position:absolute;top:0;bottom:0;min-width:2px;background:var(--accent);border-radius:2px}
.noria .track i.part{opacity:.45}
.noria .track i.failed{background:var(--bad)}
.noria .spread{position:relative;display:block;width:110px;height:12px}
.noria .spread i{position:absolute;top:5px;height:2px;background:var(--soft);opacity:.55}
.noria .spread i.box{top:2px;height:8px;background:var(--c0);opacity:.55;border-radius:2px;min-width:2px}
.noria .spread i.mid{top:0;height:12px;width:2px;background:var(--ink);opacity:1}
.noria .exhibit{margin:0 0 28px}
.noria .exhibit img{max-width:100%;height:auto;display:block;background:#fff;border-radius:6px}
.noria .exhibit iframe{width:100%;height:440px;border:1px solid var(--rule);border-radius:6px;background:#fff;display:block}
.noria .text{max-width:72ch;overflow-wrap:anywhere}
.noria .text img{max-width:100%}
.noria .text :is(h1,h2,h3,h4){font-size:16px;line-height:1.3;margin:18px 0 6px;letter-spacing:0}
.noria .exhibit td{padding-top:4px;padding-bottom:4px}
.noria details{margin:10px 0}
.noria summary{cursor:pointer;color:var(--soft);font-size:13.5px}
.noria details[open] summary{margin-bottom:8px}
"""
_PAGE = """
body.noria{margin:0;background:var(--paper);-webkit-text-size-adjust:100%}
.noria main{max-width:1080px;margin:0 auto;padding:40px 32px 72px}
.noria footer{margin-top:56px;padding-top:14px;border-top:1px solid var(--rule);font-size:12.5px;color:var(--soft)}
@media (max-width:600px){.noria dl{grid-template-columns:repeat(auto-fill,minmax(min(150px,100%),1fr));gap:12px 18px}.noria main{padding:24px 16px 48px}.noria h1{font-size:24px}.noria h2{margin-top:36px}
.noria th,.noria td{padding-right:14px}.noria .exhibit iframe{height:380px}.noria .gantt{grid-template-columns:minmax(0,max-content) minmax(60px,1fr) max-content;gap:4px 12px}.noria .gantt .name{max-width:38vw}.noria .gantt .why{grid-column:1/-1;max-width:none;margin-bottom:8px}}
@media print{.noria main{padding:0;max-width:none}.noria .exhibit,.noria figure{break-inside:avoid}}
"""
_LINES = "".join(
    f".noria .k{n}{{background:var(--c{n})}}.noria svg .s{n}{{stroke:var(--c{n})}}.noria svg .dot.s{n}{{fill:var(--c{n})}}"
    for n in range(8)
)

# Whatever a page holds of a user's, it reaches nothing outside: frames inherit this, so their scripts run and stay
# inside. Scripts are allowed only where a page that the user made needs them.
_POLICY = "default-src 'none'; img-src data: blob:; font-src data:; style-src 'unsafe-inline'"
_SCRIPTS = "; script-src 'unsafe-inline' 'unsafe-eval' blob:; worker-src blob:"


def page(title: str, *parts: object, scripts: bool = False) -> str:
    """A whole document. `scripts`: whether frames inside may run their own."""
    colours = (
        f":root{{color-scheme:light dark;{_LIGHT}}}@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY + (_SCRIPTS if scripts else "")),
        tag("meta", name="viewport", content="width=device-width,initial-scale=1"),
        tag("title", title),
        tag("style", Html(colours + _RULES + _LINES + _PAGE)),
    )
    body = tag("body", tag("main", *parts), class_="noria")
    return f'<!doctype html>\n<html lang="en">{head}{body}</html>\n'


def snippet(*parts: object) -> str:
    """What stands inside somebody else's page: a notebook's cell."""
    return tag(
        "div",
        tag("style", Html(f".noria.inside{{{_AROUND};background:var(--paper)}}" + _RULES + _LINES)),
        *parts,
        class_="noria inside",
    )


def frame(document: str, *, title: str, height: int | None = None) -> Html:
    """A document inside of another, which it cannot reach: no cookies, no storage, no way out of its frame."""
    style = f' style="height:{height}px"' if height else ""
    return Html(
        f'<iframe sandbox="allow-scripts" loading="lazy" title="{escape(title)}"{style} srcdoc="{escape(document)}"></iframe>'
    )
