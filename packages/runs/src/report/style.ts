/** The report's style sheet: phone first, light and dark. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ink: #1d2129; --soft: #5b6472; --paper: #fff; --panel: #f4f6f9; --line: #dfe3ea; --good: #18794e; --bad: #b42318;
  --teacher: #7a7f8c; --student: #1f6feb; --control: #d9822b; --third: #8e44c9; --fourth: #0f8a80; --fifth: #b5476f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e7eaf0; --soft: #a3acba; --paper: #14171c; --panel: #1d2128; --line: #323843; --good: #5fd39a; --bad: #ff8a7d;
    --teacher: #9aa1ae; --student: #6ea8fe; --control: #f0a85a; --third: #c792f0; --fourth: #4fc7bb; --fifth: #f08bb0;
  }
}
* { box-sizing: border-box }
body { margin: 0 auto; padding: 16px; max-width: 1120px; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 10px }
h2 { font-size: 1.15rem; margin: 36px 0 10px }
h3 { font-size: .95rem; margin: 12px 0 6px }
h3.stage { margin-top: 26px }
p { margin: 4px 0 }
code { font-size: .88em; background: var(--panel); padding: 1px 5px; border-radius: 4px }
.soft { color: var(--soft) }
.quick { border: 2px solid var(--control); border-radius: 8px; padding: 8px 12px; margin: 12px 0; font-size: 1.1rem; font-weight: 600 }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 3px 14px; margin: 0; font-size: .88rem; overflow-wrap: anywhere }
dt { color: var(--soft) }
dd { margin: 0 }
.headline b { font-size: 2rem; line-height: 1.2; font-variant-numeric: tabular-nums }

.bars { display: grid; gap: 4px 28px; grid-template-columns: repeat(auto-fill, minmax(min(290px, 100%), 1fr)) }
.row { display: grid; grid-template-columns: 60px minmax(0, 1fr) 40px; gap: 8px; align-items: center; font-size: .85rem; line-height: 1.2; margin: 5px 0 }
.macro .row { grid-template-columns: 98px minmax(0, 1fr) 88px }
.row b { text-align: right; font-variant-numeric: tabular-nums }
.row small { font-weight: 400; color: var(--soft) }
.track { position: relative; height: 14px; background: var(--panel); border-radius: 3px }
.macro .track { height: 18px }
.bar { height: 100%; border-radius: 3px }
.bar.teacher { background: var(--teacher) }
.bar.student { background: var(--student) }
.bar.control { background: var(--control) }
.bar.other { background: color-mix(in srgb, var(--soft) 40%, transparent) }
.floor { position: absolute; width: 3px; height: 50%; margin-left: -1.5px; background: var(--ink); box-shadow: 0 0 0 1px var(--paper) }
.floor.upper { top: -2px }
.floor.lower { bottom: -2px }
.spread { position: absolute; top: calc(50% - 1px); height: 2px; background: var(--ink); outline: 1px solid var(--paper) }
.key { font-size: .82rem; color: var(--soft); margin-top: 10px }
.key span { display: inline-block; margin-right: 10px }
.key i { position: relative; display: inline-block; margin: 0 4px 0 0 }
.key .floor { height: 8px }
.key .upper { top: -5px }
.key .lower { bottom: -2px }
.key .spread { top: -4px; width: 16px }

.scroll { overflow-x: auto }
table { border-collapse: collapse; font-size: .85rem }
th, td { padding: 4px 10px; border-bottom: 1px solid var(--line); text-align: right; font-variant-numeric: tabular-nums }
td { white-space: nowrap }
th { vertical-align: bottom }
th:first-child { min-width: 116px; position: sticky; left: 0; padding-left: 0; background: var(--paper); text-align: left }
td small { color: var(--soft) }
.floors { color: var(--soft) }

.grid { display: grid; gap: 10px; grid-template-columns: repeat(auto-fill, minmax(min(310px, 100%), 1fr)) }
article { display: flex; gap: 12px; background: var(--panel); border-radius: 8px; padding: 10px; font-size: .85rem; overflow-wrap: anywhere }
article div { min-width: 0 }
article img { background: #fff; border-radius: 6px; flex: none; image-rendering: pixelated }
article ul { list-style: none; margin: 4px 0 0; padding: 0 }
article li { display: grid; grid-template-columns: 14px 50px minmax(0, 1fr); gap: 4px; align-items: baseline }
article small { color: var(--soft) }
.answer span { font-weight: 600 }
.right b { color: var(--good) }
.wrong b { color: var(--bad) }

.panels { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(min(250px, 100%), 1fr)) }
figure { margin: 0; background: var(--panel); border-radius: 8px; padding: 8px }
figcaption { font-size: .85rem; font-weight: 600 }
figure svg { display: block; width: 100%; height: auto; max-width: 420px; background: none; overflow: visible }
.legend { font-size: .82rem; margin: 0 0 8px }
.legend span { display: inline-block; white-space: nowrap; margin-right: 16px }

.grams { display: flex; flex-wrap: wrap; gap: 12px; margin: 8px 0 }
.gram { flex: none; width: calc(50% - 6px); max-width: 196px }
.gram img { width: 100%; height: auto; background: #fff; image-rendering: pixelated; border-radius: 3px }
.gram small { display: block; min-height: 1.4em; color: var(--soft) }
.ramp { width: 120px; height: 10px; vertical-align: -1px; background: linear-gradient(90deg, #67001f, #f6a886, #f7f7f7, #92c5de, #053061) }

.list { margin: 0; padding-left: 18px; font-size: .88rem }
summary { cursor: pointer }
pre { overflow-x: auto; background: var(--panel); padding: 10px; border-radius: 8px; font-size: .8rem }
`;
