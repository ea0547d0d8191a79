export { type ExportedFile, type ExportOnnx, exportOnnx } from "./export-onnx.ts";
