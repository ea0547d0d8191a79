export { type RdistOptions, rdist } from "./rdist.ts";
