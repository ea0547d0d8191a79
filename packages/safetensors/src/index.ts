export { toFloat32, toHalf, toInt32 } from "./convert.ts";
export type { Dtype } from "./dtype.ts";
export { parseSafetensors, type SafetensorsFile, type StoredTensor } from "./parse.ts";
export { serializeSafetensors, type WritableTensor } from "./serialize.ts";
