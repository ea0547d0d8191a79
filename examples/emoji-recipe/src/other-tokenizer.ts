#!/usr/bin/env node
// A student that reads other tokens than its teacher: a KL has no rows to compare, relations between visual tokens have. Trains a base language
// model on pieces of words, then PT-SFT and a third stage with and without RDist. Prints a Markdown table; resumable.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Llava } from "@kd/mllm";
import { type DistillWeights, type StageRecord, stages } from "@kd/stages";
import { dispose, type Tensor, useBackend, type VisionLanguageModel } from "@kd/tensor-core";
import { assembleModel, assetPath } from "./model/assets.ts";
import { llavaConfig } from "./model/configs.ts";
import type { Scores } from "./model/evaluate.ts";
import { IMAGE_ID, openText, PAD_ID } from "./model/text.ts";
import { trainEmojiRun } from "./model/train-emoji-run.ts";
import { evaluateCells, HEADLINE } from "./recipe/evaluate-cells.ts";
import { openMaterials } from "./recipe/materials.ts";
import { FULL_BUDGET } from "./recipe/schemes.ts";
import { pretrainLanguageModel } from "./teacher/pretrain-language-model.ts";
import { main } from "./train/main.ts";
import { parseOptions, wholeNumber } from "./train/options.ts";

const USAGE = `node examples/emoji-recipe/dist/other-tokenizer.js [--seeds N]

  --seeds N   1 by default`;

const FOLDER = fileURLToPath(new URL("../../../runs/other-tokenizer", import.meta.url));
const PIECE_LENGTH = 4; // letters
const BASE_STEPS = 2500; // as the recipe's own base models

const alone = (rdist: DistillWeights["rdist"]): DistillWeights => ({ alpha: 0, beta: 0, gamma: 5, rdist });
const THIRD: Readonly<Record<string, DistillWeights | undefined>> = {
  "SFT (control)": undefined,
  "DFT, RDist raw": alone({ over: "own-vocabulary" }),
  "DFT, RDist double-centred": alone({ over: "own-vocabulary", centre: "both" }),
  "DFT, RDist of centred hidden states": alone({ over: "hidden", centre: "tokens" }),
};

/** The teacher sees the pictures alone: they come first, so that its visual tokens do not depend on text it cannot read. */
const picturesOnly = (teacher: VisionLanguageModel): VisionLanguageModel => ({
  ...teacher,
  forward: (batch, options) =>
    teacher.forward({ ...batch, inputIds: batch.inputIds.map((id) => (id === IMAGE_ID ? id : PAD_ID)) }, options),
});

await main(async () => {
  const { seeds = "1" } = parseOptions(USAGE, { strings: ["seeds"], flags: [] });
  await useBackend({ engine: "wasm", threads: 1 });
  const materials = await openMaterials({ everyNth: 1 });
  const { cache, views, captions, questions } = materials;
  const text = openText(materials.gallery.lexicon, { pieceLength: PIECE_LENGTH });
  process.stderr.write(`${materials.text.vocabularySize} words, ${text.vocabularySize} pieces\n`);
  const base = join(FOLDER, "base.safetensors");
  if (!existsSync(base))
    await pretrainLanguageModel({
      name: "base",
      folder: FOLDER,
      output: base,
      config: llavaConfig("student", text.vocabularySize).text_config,
      lexicon: materials.gallery.lexicon,
      text,
      totalSteps: BASE_STEPS,
      seed: 1,
    });
  const rows: string[] = [];
  const numbers = Array.from({ length: wholeNumber("seeds", seeds) }, (_, i) => i + 1);
  for (const [name, weights] of Object.entries(THIRD)) {
    const scores: string[][] = [];
    for (const seed of numbers) {
      const student = await assembleModel("student", text, { files: [assetPath("encoder"), base], seed: 1000 + seed });
      const stage = (record: StageRecord, name: string, position: number) => ({
        name,
        stage: record,
        ...(record.distills ? { teacher: picturesOnly(materials.teacher), weights } : {}),
        records: position === 0 ? captions : questions,
        totalSteps: position === 0 ? FULL_BUDGET.first : FULL_BUDGET.second,
        learningRate: FULL_BUDGET.learningRate,
        seed: seed * 10 + position,
      });
      await trainEmojiRun({
        folder: join(FOLDER, `seed-${seed}`, `pt-sft ${name}`),
        student,
        stages: [
          stage(stages.pt, "pt", 0),
          stage(stages.sft, "pt-sft", 1),
          stage(weights === undefined ? stages.sft : stages.dft, `pt-sft ${name}`, 2),
        ],
        text,
        cache,
        views,
      });
      const { macro, tasks } = (await evaluateCells(student, { ...materials, text }))[HEADLINE] as Scores;
      scores.push([macro, tasks.name, tasks.kind, tasks.presence].map((x) => (x ?? Number.NaN).toFixed(1)));
      disposeModel(student);
    }
    rows.push(`| ${[name, ...[0, 1, 2, 3].map((i) => scores.map((s) => s[i]).join(", "))].join(" | ")} |`);
  }
  process.stdout.write(`| third stage | macro | name | kind | presence |\n|---|---|---|---|---|\n${rows.join("\n")}\n`);
});

function disposeModel({ params }: Llava): void {
  dispose([...params.values()] as Tensor[]);
}
