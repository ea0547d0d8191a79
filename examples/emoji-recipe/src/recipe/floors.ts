import { existsSync } from "node:fs";
import { join } from "node:path";
import { stages } from "@kd/stages";
import type { BenchmarkRow } from "../data/benchmark.ts";
import type { EmojiRecord } from "../data/records.ts";
import { type Scores, scoresOf } from "../model/evaluate.ts";
import { trainEmojiRun } from "../model/train-emoji-run.ts";
import { createBlindCache } from "./blind-cache.ts";
import { evaluateCells, HEADLINE } from "./evaluate-cells.ts";
import { readJson, writeJson } from "./json-file.ts";
import { type Materials, newStudent } from "./materials.ts";
import type { Budget } from "./schemes.ts";

/** What always giving the task's most frequent training answer scores. */
export function majorityFloor(rows: readonly BenchmarkRow[], records: readonly EmojiRecord[]): Scores {
  const counts = new Map<string, Map<string, number>>();
  for (const { task, answer } of records) {
    const answers = counts.get(task) ?? new Map<string, number>();
    counts.set(task, answers.set(answer, (answers.get(answer) ?? 0) + 1));
  }
  const likeliest = (task: string): string | undefined =>
    [...(counts.get(task) ?? [])].sort((a, b) => b[1] - a[1])[0]?.[0];
  const chosen = rows.filter(({ cell }) => cell === HEADLINE);
  return scoresOf(
    chosen,
    chosen.map(({ task, answer }) => answer === likeliest(task.replace(/_.*/, ""))),
  );
}

/** What a student scores that never sees a picture: the same questions, features of zeros. */
export async function blindFloor(options: { folder: string; budget: Budget; materials: Materials }): Promise<Scores> {
  const { folder, budget, materials } = options;
  const path = join(folder, "blind", "result.json");
  if (existsSync(path)) return readJson(path);
  const student = await newStudent(materials.text, 0);
  await trainEmojiRun({
    folder: join(folder, "blind"),
    student,
    stages: [
      {
        name: "blind",
        stage: stages.sft,
        records: materials.questions,
        totalSteps: budget.second,
        learningRate: budget.learningRate,
        seed: 1,
      },
    ],
    text: materials.text,
    cache: createBlindCache(materials.cache),
    views: () => 1,
  });
  const scores = (await evaluateCells(student, materials, { blind: true }))[HEADLINE] as Scores;
  await writeJson(path, scores);
  return scores;
}
