import { KdError } from "@kd/contract";
import type { SlmConfig } from "../config.ts";
import { layerLinears } from "../names.ts";
import type { LoraConfig } from "./config.ts";

/** A linear that may have an adapter. */
export interface AdaptableLinear {
  /** Its name in `Params`, without `.weight`. */
  readonly name: string;
  readonly out: number;
  readonly inputs: number;
}

/** Every linear of the decoder's layers. */
export function adaptableLinears(config: SlmConfig, prefix: string): AdaptableLinear[] {
  const linears = layerLinears(config);
  return Array.from({ length: config.num_hidden_layers }, (_, i) =>
    linears.map(({ name, out, inputs }) => ({ name: `${prefix}model.layers.${i}.${name}`, out, inputs })),
  ).flat();
}

/** A linear's name as transformers ≥ 4.52 has it: in LLaVA `model.language_model.layers.…`. */
export function moduleName(name: string): string {
  return name.replace(/^language_model\.model\./, "model.language_model.");
}

/**
 * The linears that `target_modules` means, by PEFT's rules, under either of their names.
 *
 * @throws KdError `KD_CONFIG` when there is none, when one of a list matches nothing, or for a broken regular expression.
 */
export function targetsOf(lora: LoraConfig, config: SlmConfig, prefix: string): AdaptableLinear[] {
  const linears = adaptableLinears(config, prefix);
  const { target_modules: targets } = lora;
  if (targets === "all-linear") return linears;
  const names = ({ name }: AdaptableLinear) => [name, moduleName(name), name.slice(prefix.length)];
  const fits = (test: (name: string) => boolean) => linears.filter((linear) => names(linear).some(test));
  const chosen =
    typeof targets === "string"
      ? fits((name) => wholeName(targets).test(name))
      : fits((name) => targets.some((target) => `.${name}`.endsWith(`.${target}`)));
  const idle =
    typeof targets === "string"
      ? []
      : targets.filter((target) => fits((name) => `.${name}`.endsWith(`.${target}`)).length === 0);
  if (chosen.length === 0 || idle.length > 0)
    throw new KdError(
      "KD_CONFIG",
      `lora: target_modules ${JSON.stringify(idle.length > 0 ? idle : targets)} must match a linear of the decoder's layers, which are q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj and down_proj`,
    );
  return chosen;
}

function wholeName(pattern: string): RegExp {
  try {
    return new RegExp(`^(?:${pattern})$`);
  } catch (cause) {
    throw new KdError(
      "KD_CONFIG",
      `lora: target_modules must be a regular expression, got ${JSON.stringify(pattern)}: ${(cause as Error).message}`,
      { cause },
    );
  }
}
