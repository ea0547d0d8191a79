/** Label of a position that is not supervised, as in PyTorch's `ignore_index`. */
export const IGNORE_INDEX = -100;

/** One image's visual tokens inside one sample. */
export interface ImageSpan {
  /** Index of the sample in the batch. */
  readonly sample: number;
  /** First position inside the sample, from 0. */
  readonly start: number;
  /** Positions it covers: visual tokens of the image. */
  readonly length: number;
  /** Index into the batch's images. */
  readonly image: number;
}

/** Images of a batch: pixels for a vision tower, or the features a frozen tower gave before. */
export type ImageBatch =
  | {
      readonly kind: "pixels";
      /** Normalised pixels, channels last. */
      readonly data: Float32Array;
      readonly shape: readonly [I: number, H: number, W: number, C: number];
    }
  | {
      readonly kind: "features";
      readonly data: Float32Array;
      readonly shape: readonly [I: number, N: number, D: number];
      /** Hash of the tower's weights and of its image processor: features of another tower are refused. */
      readonly tower: string;
    };

/** One micro-batch as plain arrays: it can cross a worker or a wire, and needs no tensor library. */
export interface TokenBatch {
  /** `[B·T]`; an image is already N copies of the image token. */
  readonly inputIds: Int32Array;
  /** `[B·T]`, unshifted; {@link IGNORE_INDEX} where nothing is supervised. */
  readonly labels: Int32Array;
  /** `[B·T]`; 1 real, 0 padding. */
  readonly attentionMask: Uint8Array;
  readonly shape: readonly [B: number, T: number];
  /** Any number of images a sample; none is fine. */
  readonly imageSpans: readonly ImageSpan[];
  /** Needed when there are spans. */
  readonly images?: ImageBatch;
}
