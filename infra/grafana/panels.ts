/** What of Grafana's model of a dashboard we use: a grid of time series, each with its queries. */

export interface Panel {
  readonly title: string
  /** Grafana's name of a unit: ms, ops, short, bytes, percentunit, s. */
  readonly unit: string
  /** PromQL, and what a line of it is called. */
  readonly queries: readonly (readonly [expr: string, legend: string])[]
}

export type Dashboard = Readonly<Record<string, unknown>> & { readonly panels: readonly object[] }

/** Grafana's variable: whoever looks chooses. */
const datasource = { type: 'prometheus', uid: '$datasource' }
const columns = 3
const size = { w: 8, h: 8 }

const toPanel = ({ title, unit, queries }: Panel, at: number) => ({
  id: at + 1,
  type: 'timeseries',
  title,
  datasource,
  gridPos: { ...size, x: (at % columns) * size.w, y: Math.floor(at / columns) * size.h },
  fieldConfig: { defaults: { unit, min: 0, custom: { fillOpacity: 5, showPoints: 'never' } }, overrides: [] },
  options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
  targets: queries.map(([expr, legendFormat], index) => ({
    refId: String.fromCharCode('A'.charCodeAt(0) + index),
    datasource,
    expr,
    legendFormat,
  })),
})

/**
 * A dashboard that Grafana 10 and later takes.
 * @param uid stays the same: addresses of dashboards hold it
 */
export const dashboard = (uid: string, title: string, panels: readonly Panel[]): Dashboard => ({
  uid,
  title,
  tags: ['coffeechat'],
  schemaVersion: 39,
  editable: true,
  refresh: '30s',
  time: { from: 'now-1h', to: 'now' },
  templating: {
    list: [
      {
        name: 'datasource',
        type: 'datasource',
        query: 'prometheus',
        label: 'Prometheus',
        hide: 0,
        refresh: 1,
      },
    ],
  },
  panels: panels.map(toPanel),
})
