#!/usr/bin/env node
// Trains what the recipe ships: vision tower, two base language models, teacher. Hours on two cores; resumable.
import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { KdError } from "@kd/contract";
import { useBackend } from "@kd/tensor-core";
import { openGallery } from "./data/gallery.ts";
import { pretrainEncoder } from "./encoder/pretrain-encoder.ts";
import { assetPath } from "./model/assets.ts";
import { llavaConfig } from "./model/configs.ts";
import { openText } from "./model/text.ts";
import { condenseLog } from "./teacher/condense-log.ts";
import { pretrainLanguageModel } from "./teacher/pretrain-language-model.ts";
import { trainTeacher } from "./teacher/train-teacher.ts";
import { main } from "./train/main.ts";
import { parseOptions, UsageError, wholeNumber } from "./train/options.ts";
import { useRunBackend } from "./train/use-run-backend.ts";

const USAGE = `npm run teacher -- [--only PART] [--resume | --overwrite] [--threads N]

  --only PART   encoder, base-student, base-teacher or teacher; all by default, in this order
  --resume      go on with runs/teacher
  --overwrite   start again`;

const STEPS = { encoder: 5000, "base-student": 2500, "base-teacher": 2500, teacher: 4000 };
type Part = keyof typeof STEPS;
const SEED = 1;
const FOLDER = fileURLToPath(new URL("../../../runs/teacher", import.meta.url));

await main(async () => {
  const options = parseOptions(USAGE, { strings: ["only", "threads"], flags: ["resume", "overwrite"] });
  const parts = (options.only === undefined ? Object.keys(STEPS) : [options.only]) as Part[];
  for (const part of parts)
    if (!(part in STEPS))
      throw new UsageError(`--only: expected one of ${Object.keys(STEPS).join(", ")}, got "${part}"`);
  const backend =
    options.threads === undefined
      ? await useRunBackend(
          parts.map((part) => join(FOLDER, part)),
          {},
        )
      : await useBackend({ threads: wholeNumber("threads", options.threads) });
  process.stderr.write(
    `engine ${backend.engine}, products by ${backend.gemm.library ?? backend.gemm.provider}, ${backend.threads} threads\n`,
  );
  const gallery = await openGallery();
  const text = openText(gallery.lexicon);
  const train: Readonly<Record<Part, () => Promise<void>>> = {
    encoder: () =>
      pretrainEncoder({ folder: FOLDER, output: assetPath("encoder"), totalSteps: STEPS.encoder, seed: SEED }),
    "base-student": () => baseModel("base-student"),
    "base-teacher": () => baseModel("base-teacher"),
    teacher: () => trainTeacher({ folder: FOLDER, gallery, text, totalSteps: STEPS.teacher, seed: SEED }),
  };
  const baseModel = (name: "base-student" | "base-teacher") =>
    pretrainLanguageModel({
      name,
      folder: FOLDER,
      output: assetPath(name),
      config: llavaConfig(name === "base-student" ? "student" : "teacher", text.vocabularySize).text_config,
      lexicon: gallery.lexicon,
      text,
      totalSteps: STEPS[name],
      seed: SEED,
    });
  for (const part of parts) {
    const folder = join(FOLDER, part);
    const done = join(folder, "done.json");
    if (existsSync(folder) && !options.resume && !options.overwrite)
      throw new KdError("KD_CONFIG", `${folder} exists; add --resume to go on or --overwrite to start again`);
    if (options.overwrite) await rm(folder, { recursive: true, force: true });
    if (existsSync(done)) continue;
    const started = performance.now();
    await train[part]();
    await condenseLog(folder, assetPath(part).replace(".safetensors", ".log.jsonl"));
    await mkdir(folder, { recursive: true });
    await writeFile(
      done,
      `${JSON.stringify({ seconds: Math.round((performance.now() - started) / 1000), steps: STEPS[part], seed: SEED, backend })}\n`,
    );
  }
});
