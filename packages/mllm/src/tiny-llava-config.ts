import { KdError } from "@kd/contract";
import { z } from "zod";

const tinyLlavaSchema = z.looseObject({
  connector_type: z.string().default("mlp2x_gelu"),
  text_config: z.looseObject({}),
  vision_config: z.looseObject({}),
  image_token_index: z.int().default(-200),
  vision_feature_layer: z.union([z.int(), z.array(z.int())]).default(-2),
  vision_feature_select_strategy: z.enum(["patch", "cls_patch", "default", "full"]).default("patch"),
});

/** Whether a `config.json` is TinyLLaVA's (LLaVA-KD's release is one), by what is in it. */
export function isTinyLlava(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const type = (value as { model_type?: unknown }).model_type;
  return "connector_type" in value || (typeof type === "string" && type.startsWith("tinyllava"));
}

/**
 * A TinyLLaVA `config.json` as one of Hugging Face's LLaVA: `patch` is `default`, `cls_patch` is `full`, the connector must be the MLP of two
 * layers. Its image token -200 is no row of an embedding; a LLaVA model needs a real id.
 *
 * @param imageTokenId used where the file has a negative one
 * @throws KdError `KD_CONFIG` naming the field.
 */
export function fromTinyLlavaConfig(value: unknown, imageTokenId: number | undefined, where = "config.json"): object {
  const { success, data, error } = tinyLlavaSchema.safeParse(value);
  if (!success) throw new KdError("KD_CONFIG", `${where}: ${z.prettifyError(error)}; correct the file`);
  const { connector_type: connector, image_token_index: index, vision_feature_select_strategy: strategy } = data;
  if (connector !== "mlp2x_gelu")
    throw new KdError("KD_CONFIG", `${where}: connector_type must be mlp2x_gelu, got "${connector}"; no other is read`);
  const id = imageTokenId ?? (index >= 0 ? index : undefined);
  if (id === undefined)
    throw new KdError(
      "KD_CONFIG",
      `${where}: image_token_index is ${index}, a mark of TinyLLaVA's and no row of the embedding; put the tokenizer's files into the folder, or give imageTokenId: an id that no text has, such as the first after the tokenizer's last (151646 with Qwen1.5's, 151665 with Qwen2.5's)`,
    );
  return {
    text_config: data.text_config,
    vision_config: data.vision_config,
    image_token_index: id,
    vision_feature_layer: data.vision_feature_layer,
    vision_feature_select_strategy: strategy === "full" || strategy === "cls_patch" ? "full" : "default",
  };
}
