import { visualRows } from "@kd/contract";
import { type RdistForm, rdist, selfCorrelations } from "@kd/losses-rdist";
import type { Llava } from "@kd/mllm";
import { gatherRows, reshape, type Tensor2D, tensor1d, tidy } from "@kd/tensor-core";
import * as Plot from "@observablehq/plot";
import { featureBatch } from "../model/batch.ts";
import { viewKey } from "../model/features.ts";
import type { Materials } from "../recipe/materials.ts";
import { document, line, panels } from "./panels.ts";

const FORMS: readonly { readonly title: string; readonly form: RdistForm }[] = [
  { title: "raw logits, as in the paper", form: {} },
  { title: "double-centred logits", form: { centre: "both" } },
];
const CELL = 190;

/** Cosines of a picture's visual tokens with each other, by model and form, and how far each student is from the teacher over many pictures. */
export async function gramMatrices(options: {
  readonly models: Readonly<Record<string, Llava>>;
  readonly image: string;
  readonly picture: string;
  /** Pictures to take the mean distance over. */
  readonly others: readonly string[];
  readonly materials: Materials;
}): Promise<string> {
  const { models, image, picture, others, materials } = options;
  const teacher = models.teacher as Llava;
  const rowsOf = (model: Llava, images: readonly string[]) => {
    const sample = materials.text.encode({ question: "what is this ?", answer: "" });
    const batch = featureBatch(
      images.map(() => sample),
      images.map((one) => viewKey(one, 0)),
      materials.cache,
      materials.text.vocabularySize,
    );
    const { hidden } = model.forward(batch);
    const flat = reshape(hidden, [-1, hidden.shape[2]]) as Tensor2D;
    const picked = gatherRows(flat, tensor1d(visualRows(batch), "int32")) as Tensor2D;
    return { rows: { hidden: picked, head: model.head }, lengths: batch.imageSpans.map(({ length }) => length) };
  };
  const parts = [{ x: 20, y: 60, svg: `<image href="${picture}" width="96" height="96"/>` }];
  for (const [column, [name, model]] of Object.entries(models).entries())
    for (const [row, { title, form }] of FORMS.entries()) {
      const x = 150 + column * (CELL + 30);
      const y = 30 + row * (CELL + 66);
      const values = tidy(() => {
        const { rows, lengths } = rowsOf(model, [image]);
        return selfCorrelations({ from: rows, lengths, ...form, unitRows: true }).dataSync();
      });
      const distance = tidy(() => {
        const [ours, theirs] = [rowsOf(model, others), rowsOf(teacher, others)];
        return rdist({ student: ours.rows, teacher: theirs.rows, lengths: ours.lengths, ...form }).dataSync()[0] ?? 0;
      });
      const text =
        line(row === 0 ? name : "", { y: -18, size: 14, weight: 600 }) +
        (column === 0 ? line(title, { y: -1, size: 12 }) : "") +
        line(model === teacher ? "" : `RDist to the teacher ${distance.toFixed(3)}`, { y: CELL + 18, size: 11 });
      parts.push({ x, y: y + 8, svg: `${text}<g transform="translate(0 4)">${heatMap(values)}</g>` });
    }
  parts.push({
    x: 150,
    y: 2 * (CELL + 66) + 34,
    svg:
      key() +
      line(`RDist: mean over ${others.length} pictures of an unseen vendor`, {
        x: 290,
        y: 18,
        size: 11,
      }),
  });
  return panels([150 + 3 * (CELL + 30), 2 * (CELL + 66) + 96], parts);
}

const COLOURS = { type: "linear", scheme: "RdBu", reverse: true, domain: [-1, 1] } as const;

/** The colours from −1 to 1; Plot's own legend needs a canvas. */
function key(): string {
  const steps = Array.from({ length: 41 }, (_, i) => i / 20 - 1);
  const ramp = Plot.plot({
    document,
    width: 246,
    height: 34,
    marginTop: 0,
    marginLeft: 8,
    marginRight: 8,
    padding: 0,
    x: { tickSize: 3, ticks: [-1, 0, 1], label: null },
    color: COLOURS as never,
    marks: [
      Plot.rectY(steps, {
        x1: (x: number) => x,
        x2: (x: number) => Math.min(1, x + 0.05),
        y1: 0,
        y2: 1,
        fill: (x: number) => x,
      }),
    ],
    y: { axis: null },
  }).outerHTML;
  return `${line("cosine of two visual tokens", { y: 0 })}<g transform="translate(-8 6)">${ramp}</g>`;
}

function heatMap(values: ArrayLike<number>): string {
  const n = Math.sqrt(values.length);
  const cells = Array.from(values, (value, i) => ({ x: i % n, y: Math.floor(i / n), value }));
  return Plot.plot({
    document,
    width: CELL,
    height: CELL,
    margin: 0,
    padding: 0,
    x: { axis: null, round: false },
    y: { axis: null, round: false },
    color: COLOURS as never,
    marks: [Plot.cell(cells, { x: "x", y: "y", fill: "value", shapeRendering: "crispEdges" })],
  }).outerHTML;
}
