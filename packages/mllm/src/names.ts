import { slmShapes } from "@kd/slm";
import { siglipShapes } from "@kd/vision-encoder";
import type { LlavaConfig } from "./config.ts";

export const PROJECTOR = "multi_modal_projector.";
export const VISION = "vision_tower.";

/** Every parameter that the model reads, with its shape, under Hugging Face's older names (`language_model.model.…`). */
export function llavaShapes(config: LlavaConfig): Map<string, readonly number[]> {
  const [from, to] = [config.vision_config.hidden_size, config.text_config.hidden_size];
  const shapes = new Map([...siglipShapes(config.vision_config), ...slmShapes(config.text_config)]);
  for (const [layer, inputs] of [
    ["linear_1", from],
    ["linear_2", to],
  ] as const) {
    shapes.set(`${PROJECTOR}${layer}.weight`, [to, inputs]);
    if (config.multimodal_projector_bias) shapes.set(`${PROJECTOR}${layer}.bias`, [to]);
  }
  return shapes;
}

/** A name as transformers ≥ 4.52 calls it (`model.language_model.…`), as older versions do and as checkpoints are still written. */
export function olderName(name: string): string {
  if (name === "lm_head.weight") return "language_model.lm_head.weight";
  if (name.startsWith("model.language_model.")) return name.replace("model.language_model.", "language_model.model.");
  return name.replace(/^model\.(vision_tower|multi_modal_projector)\./, "$1.");
}
