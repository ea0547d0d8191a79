/** What went wrong, stable across versions. Each code's way out is in the message. */
export type KdErrorCode =
  | "KD_SHAPE"
  | "KD_CONFIG"
  | "KD_BACKEND"
  | "KD_WEIGHTS"
  | "KD_SAFETENSORS"
  | "KD_DIVERGED"
  | "KD_DATA"
  | "KD_MEMORY"
  | "KD_IO";

/** The only error that `@kd/*` packages throw: `where: expected, got, way out`. */
export class KdError extends Error {
  readonly code: KdErrorCode;
  /** Brand read by {@link KdError.is}, which works across duplicated package versions. */
  readonly isKdError = true as const;

  constructor(code: KdErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "KdError";
    this.code = code;
  }

  static is(error: unknown): error is KdError {
    return typeof error === "object" && error !== null && "isKdError" in error;
  }
}
