/** What Qwen2's `config.json` says of attention to near positions only. */
interface SlidingWindow {
  readonly use_sliding_window: boolean;
  readonly num_hidden_layers: number;
  readonly sliding_window?: number | null | undefined;
  readonly max_window_layers?: number | null | undefined;
  readonly layer_types?: readonly string[] | null | undefined;
}

/** Refuses a window that would hide something: one that is on, narrower than the longest sequence, and used by a layer. */
export function assertFullAttention(
  config: SlidingWindow,
  maxPositions: number,
  refuse: (path: string, message: string) => void,
): void {
  const { use_sliding_window, num_hidden_layers, sliding_window = 4096, max_window_layers, layer_types } = config;
  if (!use_sliding_window || sliding_window === null || sliding_window >= maxPositions) return;
  const slides = layer_types?.includes("sliding_attention") ?? (max_window_layers ?? 28) < num_hidden_layers;
  if (slides)
    refuse(
      "sliding_window",
      `a window of ${sliding_window} positions is not implemented; set use_sliding_window false`,
    );
}
