import { type RunConfig, type StageConfig, templateOf } from "./config.ts";

/** The last stage whose template answers questions: a captioning one knows no dialogue. Undefined where there is no other. */
export function answeringStage(config: RunConfig): StageConfig | undefined {
  const all = config.stages.map((name) => config[name] as StageConfig);
  return all.findLast((stage) => !templateOf(stage).dropQuestion);
}
