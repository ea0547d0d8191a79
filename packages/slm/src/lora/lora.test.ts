import type { StoredTensor } from "@kd/safetensors";
import {
  createRng,
  dispose,
  memory,
  type Params,
  type Scalar,
  square,
  sum,
  type Tensor,
  tensor,
  tidy,
  useBackend,
  type Variable,
  variableGrads,
} from "@kd/tensor-core";
import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../../../tensor-core/test/engines.ts";
import {
  adapterOf,
  embedTokens,
  initAdapter,
  initSlm,
  loraScale,
  parseLoraConfig,
  parseSlmConfig,
  peftConfig,
  peftNames,
  slmForward,
  trainedNames,
  withAdapter,
} from "../index.ts";
import { targetsOf } from "./targets.ts";

const config = parseSlmConfig({
  model_type: "llama",
  vocab_size: 20,
  hidden_size: 8,
  intermediate_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
});
const ids = Int32Array.of(1, 2, 3, 4, 5, 6);
const lora = parseLoraConfig({ r: 2, lora_alpha: 6, target_modules: ["q_proj", "down_proj"] });
const q = "language_model.model.layers.0.self_attn.q_proj";

beforeAll(async () => {
  await useBackend({ engine: syncEngines.includes("wasm") ? "wasm" : (syncEngines[0] as "wasm"), blas: false });
});

/** An adapter whose B is not zero. */
function livelyAdapter(choice = lora) {
  const adapter = initAdapter({ config, lora: choice, rng: createRng(2) });
  const rng = createRng(5);
  for (const [name, value] of adapter.params)
    if (name.endsWith("lora_B.weight"))
      (value as Variable).assign(
        tensor(
          Float32Array.from({ length: value.size }, () => rng.normal()),
          value.shape,
        ),
      );
  return adapter;
}

describe("adapter_config.json", () => {
  it("means in its gaps what PEFT means", () => {
    expect(parseLoraConfig({ target_modules: "all-linear" })).toEqual({
      r: 8,
      lora_alpha: 8,
      use_rslora: false,
      lora_dropout: 0,
      target_modules: "all-linear",
    });
    expect(loraScale(lora)).toBe(3);
    expect(loraScale({ ...lora, r: 4, use_rslora: true })).toBe(3);
  });

  it.each([
    [{ use_dora: true }, /use_dora/],
    [{ bias: "all" }, /bias/],
    [{ rank_pattern: { q_proj: 3 } }, /rank_pattern/],
    [{ modules_to_save: ["lm_head"] }, /modules_to_save/],
    [{ fan_in_fan_out: true }, /fan_in_fan_out/],
    [{ init_lora_weights: "pissa" }, /unchanged base weights, got "pissa"/],
    [{ layers_to_transform: 0 }, /layers_to_transform/],
    [{ lora_dropout: 1 }, /lora_dropout/],
    [{ r: 0 }, /r/],
    [{ peft_type: "IA3" }, /peft_type/],
    [{ something_new: "x" }, /something_new/],
    [{ target_modules: [] }, /target_modules/],
  ])("refuses %j", (fields, message) => {
    const parse = () => parseLoraConfig({ target_modules: ["q_proj"], ...fields }, "a/adapter_config.json");
    expect(parse).toThrow(/^a\/adapter_config\.json: /);
    expect(parse).toThrow(message);
  });

  it("passes over what changes nothing", () => {
    const fields = {
      use_dora: false,
      rank_pattern: {},
      modules_to_save: null,
      peft_version: "9",
      inference_mode: true,
    };
    expect(parseLoraConfig({ ...lora, ...fields })).toEqual(lora);
  });
});

describe("target_modules", () => {
  const names = (target_modules: string | string[]) =>
    targetsOf({ ...lora, target_modules }, config, "language_model.").map(({ name }) =>
      name.replace(/^.*layers\./, ""),
    );

  it("are last parts of names, whole names by a regular expression, or everything", () => {
    expect(names(["q_proj", "mlp.up_proj"])).toEqual([
      "0.self_attn.q_proj",
      "0.mlp.up_proj",
      "1.self_attn.q_proj",
      "1.mlp.up_proj",
    ]);
    expect(names(".*layers\\.1\\..*\\.[qv]_proj")).toEqual(["1.self_attn.q_proj", "1.self_attn.v_proj"]);
    expect(names("model\\.language_model\\.layers\\.0\\.mlp\\.up_proj")).toEqual(["0.mlp.up_proj"]);
    expect(names("all-linear")).toHaveLength(14);
  });

  it("must match, and be a regular expression", () => {
    expect(() => names(["q_proj", "lm_head"])).toThrow(/\["lm_head"\] must match a linear/);
    expect(() => names("q_proj")).toThrow(/"q_proj" must match/); // a whole name, as in PEFT
    expect(() => names("(q")).toThrow(/must be a regular expression/);
  });
});

it("starts as PEFT: A uniform within 1 / √in, B zero, the model unchanged", () => {
  const adapter = initAdapter({ config, lora: { ...lora, r: 200, target_modules: ["down_proj"] }, rng: createRng(1) });
  const a = [...(adapter.params.get("language_model.model.layers.1.mlp.down_proj.lora_A.weight") as Tensor).dataSync()];
  const [low, high] = [Math.min(...a), Math.max(...a)];
  expect(low).toBeGreaterThanOrEqual(-0.25);
  expect(high).toBeLessThanOrEqual(0.25);
  expect(high - low).toBeGreaterThan(0.49);
  expect(Math.abs(a.reduce((sum, x) => sum + x, 0) / a.length)).toBeLessThan(0.01);
  const base = { config, params: initSlm(config, createRng(3)) };
  const hidden = ({ config, params }: typeof base) =>
    tidy(() => {
      const embeddings = embedTokens({ config, params, inputIds: ids, shape: [2, 3] });
      return slmForward({ config, params, embeddings }).dataSync();
    });
  expect(hidden(withAdapter(base, initAdapter({ config, lora, rng: createRng(2) })))).toEqual(hidden(base));
  expect(hidden(withAdapter(base, livelyAdapter()))).not.toEqual(hidden(base));
});

it("is what is trained of a model that has one", () => {
  const adapter = livelyAdapter();
  const base = initSlm(config, createRng(3));
  expect(trainedNames([...base.keys()])).toEqual([...base.keys()]);
  const { params } = withAdapter({ config, params: base }, adapter);
  expect(trainedNames([...params.keys()])).toEqual([...adapter.params.keys()]);
});

it("says where the scale is missing", () => {
  const { params } = withAdapter({ config, params: initSlm(config, createRng(3)) }, livelyAdapter());
  const embeddings = embedTokens({ config, params, inputIds: ids, shape: [2, 3] });
  expect(() => slmForward({ config, params, embeddings })).toThrow(/layer 0 has an adapter at self_attn.q_proj/);
});

describe.each(syncEngines)("gradients on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it.each([0, 0.5])("are those of a numerical difference, checkpointed or not, with dropout %s", (lora_dropout) => {
    const adapter = livelyAdapter({ ...lora, lora_dropout });
    const model = withAdapter({ config, params: initSlm(config, createRng(3)) }, adapter);
    const embeddings = embedTokens({ ...model, inputIds: ids, shape: [2, 3] });
    const trainable = new Set(adapter.params.keys());
    const loss = (gradientCheckpointing: boolean) => {
      const options = { embeddings, trainable, gradientCheckpointing, training: true, rng: createRng(7) };
      return sum(square(slmForward({ ...model, ...options }))) as Scalar;
    };
    const before = memory().numTensors;
    const variables = [...adapter.params.values()] as Variable[];
    const gradients = [false, true].map((checkpointed) => {
      const { value, grads } = variableGrads(() => loss(checkpointed), variables);
      const data = variables.map(({ name }) => [...(grads[name] as Tensor).dataSync()]);
      dispose([value, ...Object.values(grads)]);
      return data;
    });
    expect(gradients[1]).toEqual(gradients[0]);
    expect(memory().numTensors).toBe(before);
    for (const side of ["A", "B"]) {
      const weight = adapter.params.get(`${q}.lora_${side}.weight`) as Variable;
      const base = weight.dataSync().slice();
      const [up, down] = [1e-2, -1e-2].map((by) => {
        weight.assign(
          tensor(
            base.map((x, i) => (i === 3 ? x + by : x)),
            weight.shape,
          ),
        );
        return loss(false).dataSync()[0] as number;
      }) as [number, number];
      weight.assign(tensor(base, weight.shape));
      expect(gradients[0]?.[variables.indexOf(weight)]?.[3]).toBeCloseTo((up - down) / 2e-2, 2);
    }
  });
});

it("drops inputs in training alone, others in every pass, and needs an rng for it", () => {
  const model = withAdapter(
    { config, params: initSlm(config, createRng(3)) },
    livelyAdapter({ ...lora, lora_dropout: 0.5 }),
  );
  const embeddings = embedTokens({ ...model, inputIds: ids, shape: [2, 3] });
  const run = (options = {}) => [...slmForward({ ...model, embeddings, ...options }).dataSync()];
  const rng = createRng(1);
  const [first, second] = [run({ training: true, rng }), run({ training: true, rng })];
  expect(first).not.toEqual(second);
  expect(first).toEqual(run({ training: true, rng: createRng(1) }));
  expect(run()).not.toEqual(first);
  expect(() => run({ training: true })).toThrow(/lora_dropout 0.5 must have an rng/);
});

describe("PEFT's names", () => {
  const stored = (params: Params, rename: (name: string) => string) =>
    new Map<string, StoredTensor>(
      [...params].map(([name, value]) => {
        const data = new Uint8Array(Float32Array.from(value.dataSync()).buffer);
        return [rename(name), { dtype: "F32", shape: value.shape, data } as unknown as StoredTensor];
      }),
    );

  it.each<[string, (name: string) => string]>([
    [
      "of transformers ≥ 4.52",
      (name) => `base_model.model.${name.replace("language_model.model", "model.language_model")}`,
    ],
    ["of older ones", (name) => `base_model.model.${name}`],
    ["of the language model alone", (name) => `base_model.model.${name.replace("language_model.", "")}`],
    ["with the adapter's", (name) => `base_model.model.${name.replace(/\.weight$/, ".default.weight")}`],
  ])("%s are read", (_, rename) => {
    const adapter = livelyAdapter();
    const again = adapterOf(stored(adapter.params, rename), lora, { config });
    expect([...again.params.keys()].sort()).toEqual([...adapter.params.keys()].sort());
    for (const [name, value] of adapter.params) expect(again.params.get(name)?.dataSync()).toEqual(value.dataSync());
  });

  it("are written as transformers ≥ 4.52 has them, and held to the language model", () => {
    const names = peftNames(livelyAdapter().params);
    expect(names.get(`${q}.lora_A.weight`)).toBe(
      "base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.weight",
    );
    const { target_modules } = peftConfig(lora, "language_model.");
    const matches = (name: string) => new RegExp(`^(?:${target_modules})$`).test(name);
    expect(matches("model.language_model.layers.0.self_attn.q_proj")).toBe(true);
    expect(matches("model.vision_tower.vision_model.encoder.layers.0.self_attn.q_proj")).toBe(false);
    expect(parseLoraConfig(peftConfig(lora, ""))).toEqual(lora);
  });

  it("that do not fit are named", () => {
    const whole = () => stored(livelyAdapter().params, (name) => `base_model.model.${name}`);
    const load = (change: (tensors: Map<string, StoredTensor>) => void) => () => {
      const tensors = whole();
      change(tensors);
      adapterOf(tensors, lora, { config, where: "a.safetensors" });
    };
    const a = `base_model.model.${q}.lora_A.weight`;
    expect(load((t) => t.delete(a))).toThrow(
      /a\.safetensors: ".*layers\.0\.self_attn\.q_proj\.lora_A\.weight" is missing/,
    );
    expect(load((t) => t.set("base_model.model.lm_head.lora_A.weight", t.get(a) as StoredTensor))).toThrow(
      /"base_model\.model\.lm_head\.lora_A\.weight" belongs to no linear/,
    );
    expect(load((t) => t.set(a, { ...(t.get(a) as StoredTensor), shape: [8, 2] }))).toThrow(
      /must be \[2, 8\], got \[8, 2\]/,
    );
    expect(() => adapterOf(new Map(), { ...lora, target_modules: ".*" }, { config })).toThrow(/holds no tensor/);
  });
});
