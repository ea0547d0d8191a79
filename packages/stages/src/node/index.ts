export { type Checkpoint, loadCheckpoint, saveCheckpoint } from "./checkpoint.ts";
