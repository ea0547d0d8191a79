import { initAdapter, parseLoraConfig } from "@kd/slm";
import {
  createRng,
  memory,
  type Scalar,
  square,
  sum,
  type Tensor,
  tensor,
  useBackend,
  type Variable,
  variableGrads,
} from "@kd/tensor-core";
import { expect, it } from "vitest";
import { syncEngines, valuesOf } from "../../tensor-core/test/engines.ts";
import { tinyBatch, tinyLlava } from "../test/tiny-llava.ts";
import { type Llava, mergeAdapter, withAdapter } from "./index.ts";
import { saveLlava } from "./node/index.ts";

async function adapted(): Promise<{ base: Llava; model: Llava }> {
  const base = await tinyLlava();
  const lora = parseLoraConfig({ r: 2, target_modules: ["v_proj", "up_proj"] });
  const adapter = initAdapter({ config: base.config.text_config, lora, rng: createRng(2) });
  const rng = createRng(3);
  for (const [name, value] of adapter.params)
    if (name.endsWith("lora_B.weight"))
      (value as Variable).assign(
        tensor(
          Float32Array.from({ length: value.size }, () => rng.normal()),
          value.shape,
        ),
      );
  return { base, model: withAdapter(base, adapter) };
}

it.each(syncEngines)(
  "on %s a stage that trains projector and slm trains projector and adapter alone",
  async (engine) => {
    await useBackend({ engine, blas: false });
    const { base, model } = await adapted();
    expect(model.groups.projector).toEqual(base.groups.projector);
    expect(model.groups.vision).toEqual(base.groups.vision);
    expect(model.groups.slm).toHaveLength(8);
    expect(model.groups.slm.every((name) => /\.lora_[AB]\.weight$/.test(name))).toBe(true);
    const names = [...model.groups.projector, ...model.groups.slm];
    const { grads } = variableGrads(
      () => sum(square(model.forward(tinyBatch(), { trainable: new Set(names), training: true }).hidden)) as Scalar,
      names.map((name) => model.params.get(name) as Variable),
    );
    for (const name of names) {
      const gradient = grads[(model.params.get(name) as Variable).name] as Tensor;
      expect(
        [...gradient.dataSync()].some((x) => x !== 0),
        name,
      ).toBe(true);
    }
  },
);

it("an adapter changes what the model gives, and merged it gives the same without one", async () => {
  const { base, model } = await adapted();
  const before = memory().numTensors;
  const merged = mergeAdapter(model);
  expect(memory().numTensors).toBe(before + 4);
  expect([...merged.params.keys()]).toEqual([...base.params.keys()]);
  expect(merged.config).toEqual(base.config);
  expect(merged.tower).toBe(base.tower);
  expect(merged.groups).toEqual(base.groups);
  const values = (of: Llava) => valuesOf(() => of.forward(tinyBatch()).hidden);
  const [plain, beside, within] = [await values(base), await values(model), await values(merged)];
  expect(beside).not.toEqual(plain);
  for (const [i, x] of beside.entries()) expect(within[i]).toBeCloseTo(x, 5);
  await expect(saveLlava(model, "nowhere")).rejects.toThrow(/save what mergeAdapter gives/);
});
