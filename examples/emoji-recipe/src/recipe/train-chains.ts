import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Llava } from "@kd/mllm";
import { stages } from "@kd/stages";
import { dispose, type Tensor } from "@kd/tensor-core";
import type { Scores } from "../model/evaluate.ts";
import { trainEmojiStage } from "../model/train-emoji-stage.ts";
import { evaluateCells } from "./evaluate-cells.ts";
import { writeJson } from "./json-file.ts";
import { type Materials, newStudent } from "./materials.ts";
import { type Chain, lastPrefix } from "./schemes.ts";

/** What is written beside a trained chain: scores by cell of the benchmark. */
export interface ChainResult {
  readonly cells: Readonly<Record<string, Scores>>;
}

/** Trains and evaluates chains that share their first stages; what a folder already holds is not trained again. */
export async function trainChains(options: {
  chains: readonly Chain[];
  seed: number;
  folder: string;
  learningRate: number;
  materials: Materials;
}): Promise<void> {
  const { chains, seed, folder, learningRate, materials } = options;
  const { text, cache, views, teacher } = materials;
  for (const chain of chains) {
    const result = join(folder, lastPrefix(chain), "result.json");
    if (existsSync(result)) continue;
    const student = await newStudent(text, seed);
    for (const [position, { stage, prefix, steps, weights }] of chain.stages.entries())
      await trainEmojiStage({
        name: prefix,
        folder,
        stage: stages[stage],
        student,
        ...(stages[stage].distills ? { teacher, weights } : {}),
        records: position === 0 ? materials.captions : materials.questions,
        text,
        cache,
        views,
        totalSteps: steps,
        learningRate,
        seed: seed * 10 + position,
      });
    await writeJson(result, { cells: await evaluateCells(student, materials) } satisfies ChainResult);
    disposeModel(student);
  }
}

function disposeModel({ params }: Llava): void {
  dispose([...params.values()] as Tensor[]);
}
