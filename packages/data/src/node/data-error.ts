import { KdError } from "@kd/contract";

/** A `KD_DATA` error whose message reads *where: expected, got; way out*. */
export function dataError(where: string, message: string, cause?: unknown): KdError {
  return new KdError("KD_DATA", `${where}: ${message}`, cause === undefined ? {} : { cause });
}

/** Whatever was thrown as a `KdError`: those that are pass, others become `KD_DATA` of `where`. */
export function asDataError(error: unknown, where: string, message: string): KdError {
  if (KdError.is(error)) return error;
  return dataError(
    where,
    message.replace("%s", () => String(error).slice(0, 300)),
    error,
  );
}
