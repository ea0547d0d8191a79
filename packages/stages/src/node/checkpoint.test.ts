import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeSafetensors } from "@kd/safetensors/node";
import { type Params, type Scalar, square, sub, sum, tensor, useBackend, variable } from "@kd/tensor-core";
import { expect, it } from "vitest";
import { engines, oneEngine } from "../../../tensor-core/test/engines.ts";
import { initOptimizerState, type StepLoss, train } from "../index.ts";
import { loadCheckpoint, saveCheckpoint } from "./index.ts";

const fresh = (): Params => new Map([["a.weight", variable(tensor([0.1, 2, 3.3]))]]);
const lossOf =
  (params: Params): StepLoss<number> =>
  (target) =>
  () => {
    const fit = sum(square(sub(params.get("a.weight") as Scalar, target))) as Scalar;
    return { loss: fit, parts: { fit } };
  };
const common = { trainable: ["a.weight"], totalSteps: 4, learningRate: 0.1 };
const steps = [[0.3], [1], [2], [0.7]];

it.each(engines)("a run stopped, saved and loaded ends bit for bit as a straight run on %s", async (engine) => {
  await useBackend({ engine, blas: false });
  const folder = await mkdtemp(join(tmpdir(), "kd-stages-"));
  try {
    const [straight, stopped, resumed] = [fresh(), fresh(), fresh()];
    for await (const _ of train({ ...common, params: straight, steps, loss: lossOf(straight) }));
    const state = initOptimizerState(stopped, common.trainable);
    for await (const { step } of train({ ...common, params: stopped, steps, loss: lossOf(stopped), state }))
      if (step === 2) break;
    await saveCheckpoint(folder, { params: stopped, state, extra: { cursor: 2 } });
    const loaded = await loadCheckpoint(folder, resumed);
    expect(loaded.extra).toEqual({ cursor: 2 });
    for await (const _ of train({
      ...common,
      params: resumed,
      steps: steps.slice(2),
      loss: lossOf(resumed),
      state: loaded.state,
    }));
    expect([...((await resumed.get("a.weight")?.data()) ?? [])]).toEqual([
      ...((await straight.get("a.weight")?.data()) ?? [0]),
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("names a file that is no checkpoint or another model's, and changes nothing", async () => {
  await useBackend({ engine: oneEngine("cpu"), blas: false });
  const folder = await mkdtemp(join(tmpdir(), "kd-stages-"));
  const file = join(folder, "checkpoint.safetensors");
  const params = fresh();
  try {
    await expect(loadCheckpoint(folder, params)).rejects.toMatchObject({ message: expect.stringContaining(file) });
    for (const metadata of [{}, { kd: "{" }, { kd: '{"names":["a.weight"],"step":-1}' }]) {
      await writeSafetensors(file, [], metadata);
      const message = expect.stringContaining(file);
      await expect(loadCheckpoint(folder, params)).rejects.toMatchObject({ code: "KD_WEIGHTS", message });
    }
    const other: Params = new Map([["a.weight", variable(tensor([1, 2]))]]);
    await saveCheckpoint(folder, { params: other, state: initOptimizerState(other, ["a.weight"]) });
    await expect(loadCheckpoint(folder, params)).rejects.toThrow(/"a\.weight" does not fit the model/);
    expect([...((await params.get("a.weight")?.data()) ?? [])]).toEqual([Math.fround(0.1), 2, Math.fround(3.3)]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
