export { type ReadImage, readImage } from "./decode.ts";
export type { SkippedRecord } from "./encode-batch.ts";
export type { Encoder, EncoderModule } from "./encoder.ts";
export { insideFolder } from "./inside-folder.ts";
export { type InspectData, inspectData } from "./inspect-data.ts";
export { createEncoder, type LlavaBatch, type LlavaEncoder } from "./llava-encoder.ts";
export {
  createLoader,
  type LoadedBatch,
  type Loader,
  type LoaderOptions,
  type LoaderSource,
  type LoaderStats,
} from "./loader.ts";
export { type OpenSource, openHandle, openSource } from "./open-source.ts";
export { decodePicture, type PictureBytes, pictureBytes } from "./read-picture.ts";
export type { DiskSource, ImagePlace, SourceHandle } from "./source-handle.ts";
