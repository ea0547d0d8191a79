import {
  halfTensor,
  memory,
  mul,
  type Params,
  type Scalar,
  square,
  sub,
  sum,
  tensor,
  useBackend,
  variable,
} from "@kd/tensor-core";
import { beforeAll, expect, it, onTestFinished, vi } from "vitest";
import { oneEngine, valuesOf } from "../../tensor-core/test/engines.ts";
import { initOptimizerState, type StepLoss, train } from "./index.ts";

beforeAll(async () => {
  await useBackend({ engine: oneEngine("cpu"), blas: false });
});
const fresh = (): Params =>
  new Map([
    ["a.weight", variable(tensor([1, 2]))],
    ["idle.weight", variable(tensor([3]))],
  ]);
const lossOf =
  (params: Params): StepLoss<number> =>
  (target, step) =>
  () => {
    const fit = mul(sum(square(sub(params.get("a.weight") as Scalar, target))), 1 / step.length) as Scalar;
    return { loss: fit, parts: { fit } };
  };
const values = async (params: Params): Promise<number[]> =>
  (await Promise.all([...params.values()].map(valuesOf))).flatMap((data) => [...data]);
const common = { trainable: ["a.weight", "idle.weight"], totalSteps: 4, learningRate: 0.1 };
const steps = [[0], [1, 1], [2], [0, 3]];

it("goes on from its state as a straight run does, and leaks nothing", async () => {
  const [one, two] = [fresh(), fresh()];
  const before = memory().numTensors;
  const rates: number[] = [];
  for await (const { lr } of train({ ...common, params: one, steps, loss: lossOf(one) })) rates.push(lr);
  expect(rates[0]).toBe(0);
  expect(rates[1]).toBeCloseTo(0.1);
  expect(memory().numTensors).toBe(before);
  const state = initOptimizerState(two, common.trainable);
  for await (const { step } of train({ ...common, params: two, steps, loss: lossOf(two), state }))
    if (step === 2) break;
  for await (const _ of train({ ...common, params: two, steps: steps.slice(2), loss: lossOf(two), state }));
  expect(await values(two)).toEqual(await values(one));
  expect((await values(one))[0]).not.toBe(1);
  expect((await values(one))[2]).toBe(3);
});

it("says what of a step's time it waited for its data, and leaves out what its caller did", async () => {
  let clock = 0;
  const now = vi.spyOn(performance, "now").mockImplementation(() => clock);
  onTestFinished(() => now.mockRestore());
  const params = fresh();
  const slowly = function* () {
    for (const [i, step] of steps.slice(0, 2).entries()) {
      clock += 100 * (i + 1);
      yield step;
    }
  };
  const loss: StepLoss<number> = (micro, step) => {
    clock += 400;
    return lossOf(params)(micro, step);
  };
  const times: unknown[] = [];
  for await (const { seconds, dataSeconds } of train({ ...common, params, steps: slowly(), loss })) {
    times.push({ seconds, dataSeconds });
    clock += 5000;
  }
  expect(times).toEqual([
    { seconds: 0.5, dataSeconds: 0.1 },
    { seconds: 1, dataSeconds: 0.2 }, // two micro-batches
  ]);
});

it("says that weights in 16 bits are not trained", () => {
  const params: Params = new Map([["a.weight", halfTensor({ format: "bf16", words: new Uint16Array(2), shape: [2] })]]);
  expect(() => initOptimizerState(params, ["a.weight"])).toThrow(
    expect.objectContaining({ code: "KD_WEIGHTS", message: expect.stringMatching(/"a\.weight".*got bf16.*float32/) }),
  );
});

it("stops before the weights change when the loss is not a number", async () => {
  const params = fresh();
  const run = train({ ...common, params, steps: [[Number.NaN]], loss: lossOf(params), where: "dft" });
  await expect(run.next()).rejects.toThrow(/dft, step 1/);
  expect(await values(params)).toEqual([1, 2, 3]);
});
