import { visualRows } from "@kd/contract";
import { rdist, selfCorrelations } from "@kd/losses-rdist";
import type { Llava } from "@kd/mllm";
import type { ReportData } from "@kd/runs/report";
import { dispose, gatherRows, reshape, type Tensor2D, tensor1d, tidy } from "@kd/tensor-core";
import { picturesIn } from "../data/gallery.ts";
import { nameOf } from "../data/lexicon.ts";
import { featureBatch } from "../model/batch.ts";
import { viewKey } from "../model/features.ts";
import type { Materials } from "./materials.ts";
import { dataUri } from "./sample-answers.ts";

const WANTED: readonly string[] = ["1F981", "1F697"]; // a lion's face, a car
const FORM = { centre: "both" } as const;

type Pictures = NonNullable<ReportData["grams"]>["pictures"];

/** Two pictures of the unseen vendor with the Gram matrix of their visual tokens in each model, the teacher's first. */
export async function gramPictures(
  { gallery, text, cache }: Materials,
  models: Readonly<Record<string, Llava>>,
): Promise<Pictures> {
  const tested = picturesIn(gallery, "test_vendor").filter(({ id }) => cache.has(viewKey(id, 0)));
  const wanted = tested.filter(({ concept }) => WANTED.includes(concept.hex));
  const chosen = wanted.length > 0 ? wanted : tested.slice(0, WANTED.length);
  const teacher = models.teacher as Llava;
  const pictures: Pictures[number][] = [];
  for (const { id, concept, rgba } of chosen) {
    const batch = featureBatch(
      [text.encode({ question: "what is this ?", answer: "" })],
      [viewKey(id, 0)],
      cache,
      text.vocabularySize,
    );
    const lengths = batch.imageSpans.map(({ length }) => length);
    const rowsOf = (model: Llava) => {
      const { hidden } = model.forward(batch);
      const flat = reshape(hidden, [-1, hidden.shape[2]]) as Tensor2D;
      const rows = gatherRows(flat, tensor1d(visualRows(batch), "int32")) as Tensor2D;
      return { hidden: rows, head: model.head };
    };
    const matrices: Pictures[number]["matrices"][number][] = [];
    for (const [name, model] of Object.entries(models)) {
      const [gram, distance] = tidy(() => {
        const from = rowsOf(model);
        return [
          selfCorrelations({ from, lengths, ...FORM, unitRows: true }),
          rdist({ student: from, teacher: rowsOf(teacher), lengths, ...FORM }),
        ] as const;
      });
      const [values, [apart = Number.NaN]] = [Float32Array.from(await gram.data()), await distance.data()];
      matrices.push({ name, values, ...(model === teacher ? {} : { note: `RDist ${apart.toFixed(3)}` }) });
      dispose([gram, distance]);
    }
    pictures.push({ image: await dataUri(rgba), caption: nameOf(concept), matrices });
  }
  return pictures;
}
