export { type PackedArray, packArrays, unpackArrays } from "./pack-arrays.ts";
