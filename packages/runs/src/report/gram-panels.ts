import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { averaged } from "./averaged.ts";
import { escapeHtml, plainLabel } from "./escape-html.ts";
import type { ReportData } from "./report-data.ts";
import { picture } from "./sample-grid.ts";

const SIDE = 180;
const CELLS = 64; // a side

/** Pictures beside the matrices of their visual tokens, red for -1 over white to blue for 1. */
export function gramPanels({ pictures }: NonNullable<ReportData["grams"]>): string {
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const rows = pictures.map(({ image, caption, matrices }) => {
    const figures = matrices.map(({ name, values, note }) => {
      const map = heatMap(values, { document: document as unknown as Document, name });
      return `<figure class="gram"><figcaption>${escapeHtml(name)}</figcaption>${map}<small>${escapeHtml(note ?? "")}</small></figure>`;
    });
    return `<div class="grams"><figure class="gram"><figcaption>${escapeHtml(caption)}</figcaption>${picture(image, SIDE)}</figure>${figures.join("")}</div>`;
  });
  return `${rows.join("")}<p class="key"><i class="ramp"></i> −1 to 1</p>`;
}

function heatMap(
  values: ArrayLike<number>,
  { document, name }: { readonly document: Document; readonly name: string },
): string {
  const cells = averaged(values, CELLS);
  const side = Math.sqrt(cells.length);
  return Plot.plot({
    document,
    ariaLabel: plainLabel(`${name}: cosines of ${Math.sqrt(values.length)} visual tokens with each other`),
    width: SIDE,
    height: SIDE,
    margin: 0,
    padding: 0,
    x: { axis: null, round: false },
    y: { axis: null, round: false },
    color: { type: "linear", scheme: "RdBu", domain: [-1, 1] },
    marks: [
      Plot.cell(
        cells.map((value, i) => ({ x: i % side, y: Math.floor(i / side), value })),
        { x: "x", y: "y", fill: "value", shapeRendering: "crispEdges" },
      ),
    ],
  }).outerHTML;
}
