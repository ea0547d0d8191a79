import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { averaged } from "../report/averaged.ts";
import type { ReportData } from "../report/report-data.ts";
import { readJson, writeJson } from "./files.ts";
import { writing } from "./io-error.ts";

/** What a run's models were seen to do at its end: the parts of a report that need them. */
export type RunEvaluation = Pick<ReportData, "scores" | "samples" | "grams">;

const CELLS = 64; // a side of a Gram matrix: a page draws no more

const score = {
  name: z.string(),
  label: z.string().optional(),
  role: z.enum(["teacher", "student", "control"]).optional(),
  values: z.record(z.string(), z.number()),
  deviation: z.number().optional(),
};
const schema = z.object({
  scores: z
    .object({
      unit: z.string(),
      note: z.string(),
      main: z.string(),
      tasks: z.array(z.string()),
      models: z.array(z.object(score)),
      floors: z.array(z.object({ ...score, note: z.string() })),
    })
    .optional(),
  samples: z
    .object({
      note: z.string(),
      shown: z.array(
        z.object({
          image: z.string(),
          question: z.string(),
          answer: z.string(),
          answers: z.record(z.string(), z.string()),
        }),
      ),
    })
    .optional(),
  grams: z
    .object({
      note: z.string(),
      pictures: z.array(
        z.object({
          image: z.string(),
          caption: z.string(),
          matrices: z.array(
            z.object({ name: z.string(), values: z.array(z.number()).max(CELLS ** 2), note: z.string().optional() }),
          ),
        }),
      ),
    })
    .optional(),
});

const evaluationPath = (folder: string): string => join(folder, "evaluation.json");

/** Undefined for a run that has none (yet). `KD_DATA` for a file of another form. */
export async function readEvaluation(folder: string): Promise<RunEvaluation | undefined> {
  const path = evaluationPath(folder);
  return existsSync(path) ? ((await readJson(path, schema)) as RunEvaluation) : undefined;
}

/** Writes `evaluation.json` into a run's folder, Gram matrices as far as a page draws them. `KD_IO` where it cannot be written. */
export async function writeEvaluation(folder: string, { grams, ...rest }: RunEvaluation): Promise<void> {
  const pictures = grams?.pictures.map(({ matrices, ...picture }) => ({
    ...picture,
    matrices: matrices.map(({ values, ...matrix }) => ({
      ...matrix,
      values: averaged(values, CELLS).map((x) => Math.round(x * 1e4) / 1e4),
    })),
  }));
  const path = evaluationPath(folder);
  await writing(path, () => writeJson(path, { ...rest, ...(grams && { grams: { ...grams, pictures } }) }));
}
