import type { Llava } from "@kd/mllm";
import type { BenchmarkRow } from "../data/benchmark.ts";
import { answersRight, type Scores, scoresOf } from "../model/evaluate.ts";
import type { Materials } from "./materials.ts";

/** The cell of the benchmark that scores are about: known concepts drawn by the first unseen vendor. */
export const HEADLINE = "test_vendor";

/** Scores of a model on every cell of the benchmark. */
export async function evaluateCells(
  model: Llava,
  { rows, text, cache }: Materials,
  { blind = false }: { readonly blind?: boolean } = {},
): Promise<Record<string, Scores>> {
  const right = await answersRight({ model, rows, text, cache, blind });
  const cells: Record<string, Scores> = {};
  for (const cell of new Set(rows.map((row) => row.cell))) {
    const chosen = [...rows.keys()].filter((i) => rows[i]?.cell === cell);
    cells[cell] = scoresOf(
      chosen.map((i) => rows[i] as BenchmarkRow),
      chosen.map((i) => right[i] as boolean),
    );
  }
  return cells;
}
