import { KdError } from "@kd/contract";

export function fail(where: string, message: string, options?: ErrorOptions): never {
  throw new KdError("KD_SAFETENSORS", `${where}: ${message}`, options);
}

/** Errors quote what outsiders wrote; a hostile name must not fill the screen. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
