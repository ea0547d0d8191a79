import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TrainingState } from "@kd/contract";
import { expect, it } from "vitest";
import { runReadme } from "../../../scripts/run-readme.ts";
import * as training from "../../stages/src/index.ts";
import { tinyBatch, tinyModel } from "../../stages/test/tiny-model.ts";
import * as core from "../../tensor-core/src/index.ts";
import * as runs from "./index.ts";
import * as node from "./node/index.ts";
import * as report from "./report/index.ts";

it("the README's example runs", async () => {
  await core.useBackend({ engine: "wasm", blas: false });
  const folder = await mkdtemp(join(tmpdir(), "kd-runs-"));
  const [student, teacher] = [tinyModel(1), tinyModel(2, 6)];
  const { resumable, stages, trainableNames, trainStage } = training;
  const stage = (name: "dpt" | "sft" | "dft") => ({
    name,
    totalSteps: 2,
    open: (saved?: TrainingState) =>
      resumable({
        params: student.params,
        trainable: trainableNames(stages[name], student),
        weights: trainableNames(stages.dft, student),
        totalSteps: 2,
        step: () => [tinyBatch()],
        train: (steps, state) => trainStage({ stage: stages[name], student, teacher, steps, state, totalSteps: 2 }),
        ...(saved ? { saved } : {}),
      }),
  });
  const modules = { "@kd/runs": runs, "@kd/runs/node": node, "@kd/runs/report": report, "@kd/stages": training };
  const given = { folder: join(folder, "run"), student, stages: [stage("dpt"), stage("sft"), stage("dft")] };
  try {
    const printed = await runReadme(join(import.meta.dirname, ".."), modules, given);
    expect(printed).toHaveLength(6);
    expect(printed[5]).toMatch(/^dft 2\/2 \(100\.0%\) \| eta 0s \| loss [\d.]+ \| ce [\d.]+ mdist\.response/);
    expect(await runReadme(join(import.meta.dirname, ".."), modules, given)).toEqual([]); // finished
  } finally {
    await rm(folder, { recursive: true });
  }
});
