/** Eight-bit RGB pixels, `[height, width, 3]`. */
export interface RgbImage {
  readonly data: Uint8Array;
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
}
