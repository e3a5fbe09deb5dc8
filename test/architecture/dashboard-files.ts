/** The files of infra/grafana/dashboards, as the code makes them. */
import { dashboards } from '../../infra/grafana/dashboards.js'

/** Texts by path. */
export const dashboardFiles = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(dashboards).map(([name, dashboard]) => [
      `infra/grafana/dashboards/${name}.json`,
      `${JSON.stringify(dashboard, null, 2)}\n`,
    ]),
  )
