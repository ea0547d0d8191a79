/** Towers that are read, by the `model_type` of their `config.json`. */
export type TowerType = "siglip_vision_model" | "clip_vision_model";

/** In what one kind of tower differs from the others; everything else is the same pre-norm transformer. */
export interface Tower {
  /** What Hugging Face's configuration class has for fields that a file leaves out. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** A learnt row before the patches. */
  readonly classToken: boolean;
  readonly patchBias: boolean;
  /** Name of the norm between embeddings and first layer. */
  readonly normBefore?: string;
  /** Whether `last_hidden_state` is after `post_layernorm`; in CLIP only the pooled row is. */
  readonly normAfter: boolean;
}

const base = {
  hidden_size: 768,
  intermediate_size: 3072,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  num_channels: 3,
  image_size: 224,
};

/** The table that everything about a tower is read from. */
export const TOWERS: Readonly<Record<TowerType, Tower>> = {
  siglip_vision_model: {
    defaults: { ...base, patch_size: 16, layer_norm_eps: 1e-6, hidden_act: "gelu_pytorch_tanh" },
    classToken: false,
    patchBias: true,
    normAfter: true,
  },
  clip_vision_model: {
    defaults: { ...base, patch_size: 32, layer_norm_eps: 1e-5, hidden_act: "quick_gelu" },
    classToken: true,
    patchBias: false,
    normBefore: "pre_layrnorm", // as transformers spells it
    normAfter: false,
  },
};
