export { type ReadImage, readImage } from "./decode.ts";
