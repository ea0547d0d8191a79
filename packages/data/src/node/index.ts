export { readImage } from "./decode.ts";
