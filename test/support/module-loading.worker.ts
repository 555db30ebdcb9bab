/** Whether the thread that this runs in would load an ES module by `require`. */
export default function canRequireModules(): boolean {
  return process.features.require_module
}
