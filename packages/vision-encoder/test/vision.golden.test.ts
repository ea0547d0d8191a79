import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSafetensors, type StoredTensor, toFloat32 } from "@kd/safetensors";
import { type Params, type Tensor4D, tensor, tidy, transpose, useBackend } from "@kd/tensor-core";
import { describe, expect, it } from "vitest";
import { engines, valuesOf } from "../../tensor-core/test/engines.ts";
import { parseVisionConfig, visionForward } from "../src/index.ts";

const root = join(process.env.KD_GOLDENS ?? join(import.meta.dirname, "../../../goldens/data"), "models");
const read = (name: string) => parseSafetensors(readFileSync(join(root, name)), name).tensors;
const toTensor = (t: StoredTensor) => tensor(toFloat32(t), [...t.shape]);

describe.each(engines)("towers on %s", (engine) => {
  it.each(["siglip", "clip"])("%s gives every hidden state and the last one", async (tower) => {
    await useBackend({ engine });
    const config = parseVisionConfig(JSON.parse(readFileSync(join(root, `${tower}/config.json`), "utf8")));
    const params: Params = new Map([...read(`${tower}/model.safetensors`)].map(([name, t]) => [name, toTensor(t)]));
    const expected = read(`expected/${tower}.safetensors`);
    const stored = (name: string) => expected.get(name) ?? expect.fail(`no ${name}`);
    const pixels = tidy(() => transpose(toTensor(stored("pixel_values")), [0, 2, 3, 1])) as Tensor4D;
    const depth = config.num_hidden_layers;
    const cases: [string, number | undefined][] = [["last_hidden_state", undefined]];
    for (let i = 0; i <= depth; i++) cases.push([`hidden_states.${i}`, i], [`hidden_states.${i}`, i - depth - 1]);
    for (const [name, layer] of cases) {
      const features = visionForward({
        config,
        params,
        pixels,
        prefix: "vision_model.",
        ...(layer === undefined ? {} : { layer }),
      });
      expect(features.shape).toEqual(stored(name).shape);
      const want = toFloat32(stored(name));
      const largest = want.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      const worst = (await valuesOf(features)).reduce(
        (most, v, i) => Math.max(most, Math.abs(v - (want[i] as number))),
        0,
      );
      expect(worst / largest, `${name} as layer ${layer}`).toBeLessThan(1e-5);
      features.dispose();
    }
  });
});
