import type { Llava } from "@kd/mllm";
import type { ReportData } from "@kd/runs/report";
import { tokenRelation } from "@kd/stages";
import { picturesIn } from "../data/gallery.ts";
import { nameOf } from "../data/lexicon.ts";
import { featureBatch } from "../model/batch.ts";
import { viewKey } from "../model/features.ts";
import type { Materials } from "./materials.ts";
import { dataUri } from "./sample-answers.ts";

const WANTED: readonly string[] = ["1F981", "1F697"]; // a lion's face, a car

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
    const matrices: Pictures[number]["matrices"][number][] = [];
    for (const [name, model] of Object.entries(models)) {
      const { values, distance } = await tokenRelation(batch, { model, teacher });
      matrices.push({ name, values, ...(model === teacher ? {} : { note: `RDist ${distance.toFixed(3)}` }) });
    }
    pictures.push({ image: await dataUri(rgba), caption: nameOf(concept), matrices });
  }
  return pictures;
}
