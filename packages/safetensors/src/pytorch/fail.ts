import { KdError } from "@kd/contract";

export function fail(where: string, message: string, options?: ErrorOptions): never {
  throw new KdError("KD_WEIGHTS", `${where}: ${message}`, options);
}

/** The way out of what a PyTorch file may not hold. */
export const SAVE_AGAIN =
  "save it again with safetensors.torch.save_file(model.state_dict(), …), or torch.save(model.state_dict(), …)";
