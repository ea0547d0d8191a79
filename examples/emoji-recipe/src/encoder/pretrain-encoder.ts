import { join } from "node:path";
import { writeSafetensors } from "@kd/safetensors/node";
import { train } from "@kd/stages";
import { createRng, type Params, type Rng } from "@kd/tensor-core";
import { parseVisionConfig, type VisionConfig } from "@kd/vision-encoder";
import { augment, augmentScene } from "../data/augment.ts";
import { COLOURS, dominantColour } from "../data/colour.ts";
import { concepts } from "../data/concepts.ts";
import { type Picture, renderPictures } from "../data/pictures.ts";
import { PIXELS } from "../data/rasterise.ts";
import { TRAIN_VENDORS } from "../data/vendors.ts";
import { runTraining } from "../train/run-training.ts";
import { centreFeatures } from "./centre-features.ts";
import { type ContrastiveBatch, contrastiveLoss, initContrastive } from "./contrastive.ts";
import { createTextBank } from "./text-bank.ts";

export const ENCODER_CONFIG: VisionConfig = parseVisionConfig({
  hidden_size: 128,
  intermediate_size: 512,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  image_size: PIXELS,
  patch_size: 12,
});

const SINGLES = 64;
const SCENES = 64;
const BANK_EVERY = 20; // steps between two draws of the texts' dropped tags

/** Contrastive pre-training of the tower on train concepts drawn by train vendors; the tower's weights go to `output`. */
export async function pretrainEncoder(options: {
  folder: string;
  output: string;
  totalSteps: number;
  seed: number;
}): Promise<void> {
  const { folder, output, totalSteps, seed } = options;
  const known = concepts().filter(({ split }) => split === "train");
  const pictures = (await renderPictures({ concepts: known })).filter(({ vendor }) => TRAIN_VENDORS.includes(vendor));
  const bank = createTextBank(known);
  const textOf = new Map(known.map(({ hex }, row) => [hex, row]));
  const labels = pictures.map(({ concept, rgba }) => ({
    text: textOf.get(concept.hex) as number,
    colour: COLOURS.indexOf(dominantColour(rgba) ?? ""),
  }));
  const rng = createRng(seed);
  const params = initContrastive(ENCODER_CONFIG, bank, COLOURS.length, rng.fork("weights"));
  const trainable = [...params.keys()];
  const step = (index: number): readonly [ContrastiveBatch] => {
    const texts = bank.draw(rng.fork(`bank ${Math.floor(index / BANK_EVERY)}`), 0.3);
    return [contrastiveBatch(pictures, labels, texts, rng.fork(`step ${index}`))];
  };
  await runTraining({
    name: "encoder",
    folder: join(folder, "encoder"),
    params,
    trainable,
    totalSteps,
    step,
    config: { totalSteps, seed, ENCODER_CONFIG },
    train: (steps, state) =>
      train({
        params,
        trainable,
        steps,
        state,
        totalSteps,
        loss: (batch) => () => contrastiveLoss(params, ENCODER_CONFIG, bank, batch),
        learningRate: 2e-3,
        weightDecay: 0.1,
        betas: [0.9, 0.98],
        warmupRatio: 100 / totalSteps,
        where: "encoder",
      }),
  });
  await saveTower(params, pictures, output);
}

type Labels = readonly { readonly text: number; readonly colour: number }[];

function contrastiveBatch(
  pictures: readonly Picture[],
  labels: Labels,
  bank: ContrastiveBatch["bank"],
  rng: Rng,
): ContrastiveBatch {
  const size = PIXELS * PIXELS * 3;
  const pixels = new Float32Array((SINGLES + SCENES) * size);
  const texts: number[] = [];
  const colours: number[] = [];
  const note = (index: number | undefined) => {
    texts.push(index === undefined ? -1 : (labels[index]?.text as number));
    colours.push(index === undefined ? -1 : (labels[index]?.colour as number));
  };
  for (let i = 0; i < SINGLES; i++) {
    const index = rng.int(pictures.length);
    pixels.set(augment(pictures[index] as Picture, rng), i * size);
    note(index);
  }
  for (let i = 0; i < SCENES; i++) {
    const cells = Array.from({ length: 4 }, () => (rng.next() < 0.75 ? rng.int(pictures.length) : undefined));
    const drawings = cells.map((index) => (index === undefined ? null : (pictures[index] as Picture)));
    pixels.set(augmentScene(drawings, rng), (SINGLES + i) * size);
    for (const index of cells) note(index);
  }
  return {
    pixels,
    shape: [SINGLES + SCENES, PIXELS, PIXELS, 3],
    singles: SINGLES,
    texts: Int32Array.from(texts),
    colours: Int32Array.from(colours),
    bank,
  };
}

async function saveTower(params: Params, pictures: readonly Picture[], output: string): Promise<void> {
  await centreFeatures(params, ENCODER_CONFIG, pictures);
  const tensors: [string, { dtype: "F16"; shape: number[]; data: Float32Array }][] = [];
  for (const [name, value] of params)
    if (name.startsWith("vision_tower."))
      tensors.push([name, { dtype: "F16", shape: value.shape, data: Float32Array.from(await value.data()) }]);
  await writeSafetensors(output, tensors, { format: "pt" });
}
