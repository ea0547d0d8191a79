import { join } from "node:path";
import { createFeatureCache } from "@kd/mllm";
import { stages } from "@kd/stages";
import { benchmark } from "../data/benchmark.ts";
import type { Gallery } from "../data/gallery.ts";
import { captionRecords, teacherRecords } from "../data/records.ts";
import { assembleModel, assetPath } from "../model/assets.ts";
import { answersRight, scoresOf } from "../model/evaluate.ts";
import { addFeatures } from "../model/features.ts";
import type { Text } from "../model/text.ts";
import { trainEmojiRun } from "../model/train-emoji-run.ts";
import { saveWeights } from "./pretrain-language-model.ts";

const PROJECTOR_STEPS = 400;
const EPOCHS = 8; // questions drawn afresh in each
const VIEWS = 11;
const SCENE_VIEWS = 3;
const NOISE = 0.3;

/** Projector, then projector and language model, on freshly drawn questions; weights without the tower go to `assets/teacher`. */
export async function trainTeacher(options: {
  folder: string;
  gallery: Gallery;
  text: Text;
  totalSteps: number;
  seed: number;
}): Promise<void> {
  const { folder, gallery, text, totalSteps, seed } = options;
  const model = await assembleModel("teacher", text, {
    files: [assetPath("encoder"), assetPath("base-teacher")],
    seed,
  });
  const captions = captionRecords(gallery, seed);
  const questions = Array.from({ length: EPOCHS }, (_, epoch) => teacherRecords(gallery, seed, epoch)).flat();
  const cache = createFeatureCache(model.tower);
  const views = (image: string): number => (image.startsWith("scene:") ? SCENE_VIEWS : VIEWS);
  const images = new Set([...captions, ...questions].map(({ image }) => image));
  for (const count of [SCENE_VIEWS, VIEWS])
    await addFeatures(cache, {
      model,
      gallery,
      images: [...images].filter((image) => views(image) === count),
      views: count,
      onProgress: (done, total) => process.stderr.write(`\rfeatures ${done}/${total}${done === total ? "\n" : ""}`),
    });
  await trainEmojiRun({
    folder: join(folder, "teacher"),
    student: model,
    stages: [
      {
        name: "pt",
        stage: stages.pt,
        records: captions,
        totalSteps: PROJECTOR_STEPS,
        learningRate: 3e-3,
        seed: seed * 10,
        noise: NOISE,
      },
      {
        name: "sft",
        stage: stages.sft,
        records: questions,
        totalSteps,
        learningRate: 2e-3,
        seed: seed * 10 + 1,
        noise: NOISE,
      },
    ],
    text,
    cache,
    views,
  });
  const weights = new Map([...model.params].filter(([name]) => !name.startsWith("vision_tower.")));
  await saveWeights(weights, assetPath("teacher"));

  // Chosen, if anything is, on unseen concepts of known vendors: never on a test vendor.
  const rows = benchmark(gallery).filter(({ cell }) => cell === "val_concept");
  await addFeatures(cache, { model, gallery, images: rows.map(({ image }) => image), views: 1 });
  const { tasks } = scoresOf(rows, await answersRight({ model, rows, text, cache }));
  process.stderr.write(
    `teacher on val_concept: ${Object.entries(tasks)
      .map(([task, score]) => `${task} ${score.toFixed(1)}`)
      .join(", ")}\n`,
  );
}
