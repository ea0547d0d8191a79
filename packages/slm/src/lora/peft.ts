import { KdError } from "@kd/contract";
import { type StoredTensor, toFloat32 } from "@kd/safetensors";
import { type Params, tensor, variable } from "@kd/tensor-core";
import type { SlmConfig } from "../config.ts";
import { LLAVA_PREFIX } from "../names.ts";
import type { Adapter } from "./adapter.ts";
import type { LoraConfig } from "./config.ts";
import { adaptableLinears, moduleName, targetsOf } from "./targets.ts";

const PEFT = "base_model.model.";

/** Where an adapter is to fit. */
export interface AdapterPlace {
  readonly config: SlmConfig;
  /** @defaultValue `"language_model."`; adapters of the lone language model fit as well */
  readonly prefix?: string;
}

/**
 * An adapter from PEFT's files: names `base_model.model.<linear>.lora_A.weight`, also with `.default`, in a LLaVA of any transformers version.
 *
 * @throws KdError `KD_WEIGHTS` naming a tensor that belongs to no linear, has another shape, or is missing.
 */
export function adapterOf(
  tensors: ReadonlyMap<string, StoredTensor>,
  lora: LoraConfig,
  { config, prefix = LLAVA_PREFIX, where = "adapter_model.safetensors" }: AdapterPlace & { readonly where?: string },
): Adapter {
  const linears = new Map(adaptableLinears(config, prefix).map((linear) => [linear.name, linear]));
  const fail = (text: string): never => {
    throw new KdError("KD_WEIGHTS", `${where}: ${text}; use the adapter's own base model`);
  };
  const found = new Map<string, StoredTensor>();
  for (const [stored, value] of tensors) {
    const [, path = "", side] = /^(.*)\.lora_([AB])(?:\.default)?\.weight$/.exec(stored) ?? [];
    const bare = path.replace(PEFT, "").replace(/^model\.language_model\./, "language_model.model.");
    const linear = linears.get(bare) ?? linears.get(prefix + bare);
    if (linear === undefined || !path.startsWith(PEFT))
      return fail(`tensor "${stored}" belongs to no linear of the decoder`);
    const shape = side === "A" ? [lora.r, linear.inputs] : [linear.out, lora.r];
    if (shape.join() !== value.shape.join())
      fail(`"${stored}" must be [${shape.join(", ")}], got [${value.shape.join(", ")}]`);
    found.set(`${linear.name}.lora_${side}.weight`, value);
  }
  const listed = typeof lora.target_modules === "string" ? [] : targetsOf(lora, config, prefix).map(({ name }) => name);
  const adapted = new Set([...listed, ...[...found.keys()].map((name) => name.replace(/\.lora_[AB]\.weight$/, ""))]);
  if (adapted.size === 0) fail("it holds no tensor");
  const names = [...adapted].flatMap((name) => [`${name}.lora_A.weight`, `${name}.lora_B.weight`]);
  const missing = names.find((name) => !found.has(name));
  if (missing !== undefined) fail(`"${PEFT}${moduleName(missing)}" is missing`);
  const params: Params = new Map();
  for (const name of names) {
    const { shape } = found.get(name) as StoredTensor;
    const value = tensor(Float32Array.from(toFloat32(found.get(name) as StoredTensor)), [...shape]);
    params.set(name, variable(value));
    value.dispose();
  }
  return { lora, params };
}

/** The adapter's parameters under the names that PEFT and transformers ≥ 4.52 give them. */
export function peftNames(params: Params): Map<string, string> {
  const names = [...params.keys()].filter((name) => /\.lora_[AB]\.weight$/.test(name));
  return new Map(names.map((name) => [name, PEFT + moduleName(name)]));
}

/** What PEFT reads as `adapter_config.json`. In a LLaVA, names are held to the language model: its vision tower has a `q_proj`, too. */
export function peftConfig(lora: LoraConfig, prefix: string, baseModel?: string): Record<string, unknown> {
  const { target_modules: targets, ...numbers } = lora;
  const list =
    targets === "all-linear" ? ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"] : targets;
  const held =
    typeof list === "string" || prefix === "" ? list : `.*language_model\\..*\\.(?:${list.map(quoted).join("|")})`;
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: baseModel ?? null,
    ...numbers,
    target_modules: held,
    bias: "none",
    fan_in_fan_out: false,
    init_lora_weights: true,
    inference_mode: true,
    modules_to_save: null,
  };
}

const quoted = (name: string): string => name.replaceAll(/[^\w]/g, "\\$&");
