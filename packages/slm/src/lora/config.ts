import { KdError } from "@kd/contract";
import { z } from "zod";

/** Low-rank adapters (arXiv 2106.09685), under the names of PEFT's `adapter_config.json`. */
export interface LoraConfig {
  /** Rank. */
  readonly r: number;
  readonly lora_alpha: number;
  /** Scale by alpha / √r instead of alpha / r. @defaultValue false */
  readonly use_rslora: boolean;
  /** Share of an adapter's inputs that training leaves out; needs an rng in the forward pass. @defaultValue 0 */
  readonly lora_dropout: number;
  /** Which linears: last parts of their names, a regular expression that a whole name matches, or `"all-linear"` (of the layers, not the head). */
  readonly target_modules: string | readonly string[];
}

/** Keys that change nothing here, whatever they hold. */
const INERT = new Set(
  "auto_mapping base_model_name_or_path eva_config inference_mode megatron_core peft_version qalora_group_size revision runtime_config task_type".split(
    " ",
  ),
);
/** Starts from which adapters came; others (PiSSA, OLoRA, CorDA, LoftQ) changed the base weights, too. */
const STARTS: readonly unknown[] = [true, false, "gaussian", "eva", "orthogonal"];

const configSchema = z
  .looseObject({
    peft_type: z.literal("LORA").default("LORA"),
    r: z.int().positive().default(8),
    lora_alpha: z.number().positive().default(8),
    use_rslora: z.boolean().default(false),
    lora_dropout: z.number().min(0).lt(1).default(0),
    target_modules: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
    bias: z.literal("none").default("none"),
    init_lora_weights: z.unknown().default(true),
  })
  .transform(({ peft_type: _, bias: __, init_lora_weights, ...file }, context): LoraConfig => {
    const refuse = (key: string, expected: string): void =>
      context.addIssue({
        code: "custom",
        path: [key],
        input: file,
        message: `${expected}, got ${JSON.stringify(file[key] ?? init_lora_weights)}`,
      });
    if (!STARTS.includes(init_lora_weights)) refuse("init_lora_weights", "expected adapters on unchanged base weights");
    const { r, lora_alpha, use_rslora, lora_dropout, target_modules, ...others } = file;
    for (const [key, value] of Object.entries(others))
      if (!INERT.has(key) && !isEmpty(value)) refuse(key, "not implemented: expected nothing here");
    return { r, lora_alpha, use_rslora, lora_dropout, target_modules };
  });

const isEmpty = (value: unknown): boolean =>
  value === null ||
  value === undefined ||
  value === false ||
  (typeof value === "object" && Object.keys(value).length === 0);

/**
 * Reads an `adapter_config.json`, or your own choice of its fields; what is left out is as in PEFT (r 8, alpha 8).
 *
 * @throws KdError `KD_CONFIG` naming the field; so for DoRA, biases, ranks a module and whatever else would change the numbers.
 */
export function parseLoraConfig(value: unknown, where = "adapter_config.json"): LoraConfig {
  const { success, data, error } = configSchema.safeParse(value);
  if (!success)
    throw new KdError("KD_CONFIG", `${where}: ${z.prettifyError(error)}; merge the adapter in PEFT instead`);
  return data;
}

/** What B·A is multiplied by. */
export function loraScale({ r, lora_alpha, use_rslora }: LoraConfig): number {
  return lora_alpha / (use_rslora ? Math.sqrt(r) : r);
}
