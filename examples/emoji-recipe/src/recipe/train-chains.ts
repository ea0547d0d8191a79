import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Llava } from "@kd/mllm";
import { stages } from "@kd/stages";
import { dispose, type Tensor } from "@kd/tensor-core";
import { agreementWith } from "../model/agreement.ts";
import type { Scores } from "../model/evaluate.ts";
import { trainEmojiRun } from "../model/train-emoji-run.ts";
import { evaluateCells } from "./evaluate-cells.ts";
import { writeJson } from "./json-file.ts";
import { openKeptTeacher } from "./kept-teacher.ts";
import { type Materials, newStudent } from "./materials.ts";
import { type Chain, runFolder } from "./schemes.ts";

/** What is written beside a trained chain: scores by cell of the benchmark. */
export interface ChainResult {
  readonly cells: Readonly<Record<string, Scores>>;
}

/** Trains and evaluates chains, each a run in a folder of its own; stages that they share, and what a folder already holds, are not trained again. */
export async function trainChains(options: {
  chains: readonly Chain[];
  seed: number;
  folder: string;
  learningRate: number;
  materials: Materials;
  /** Distil from the teacher's kept rows; what is missing is computed and kept. @defaultValue false */
  cacheTeacher?: boolean;
  /** Stage to begin again with, in every chain that has it. */
  from?: string | undefined;
}): Promise<void> {
  const { chains, seed, folder, learningRate, materials, from } = options;
  const { text, cache, views } = materials;
  const kept = options.cacheTeacher ? await openKeptTeacher(materials.teacher) : undefined;
  const teacher = kept ?? materials.teacher;
  const agreement = await agreementWith(materials);
  for (const chain of chains) {
    const result = join(runFolder(folder, chain), "result.json");
    if (chain.stages.some(({ prefix }) => prefix === from)) await rm(result, { force: true });
    if (existsSync(result)) continue;
    const student = await newStudent(text, seed);
    await trainEmojiRun({
      folder: runFolder(folder, chain),
      student,
      stages: chain.stages.map(({ stage, prefix, steps, weights }, position) => ({
        name: prefix,
        stage: stages[stage],
        ...(stages[stage].distills ? { teacher, weights } : {}),
        records: position === 0 ? materials.captions : materials.questions,
        totalSteps: steps,
        learningRate,
        seed: seed * 10 + position,
      })),
      text,
      cache,
      views,
      evaluate: () => agreement(student),
      from,
    });
    await writeJson(result, { cells: await evaluateCells(student, materials) } satisfies ChainResult);
    disposeModel(student);
  }
  kept?.close();
}

function disposeModel({ params }: Llava): void {
  dispose([...params.values()] as Tensor[]);
}
