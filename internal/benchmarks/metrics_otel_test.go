package benchmarks

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

var metricsOTel = metricsImpl{
	name: "otel",
	counter: func() metricsLoop {
		c, read := metricsOTelCounter()
		ctx := context.Background()
		return metricsLoop{
			do: func(_, n int) {
				for range n {
					c.Add(ctx, 1)
				}
			},
			total: read,
		}
	},
	vec: func(sets []metricsLabels) metricsLoop {
		c, read := metricsOTelCounter()
		ctx := context.Background()
		return metricsLoop{
			do: func(first, n int) {
				for i := first; i < first+n; i++ {
					set := &sets[i&(len(sets)-1)]
					c.Add(ctx, 1, metric.WithAttributeSet(attribute.NewSet(
						attribute.String("method", set.Method), attribute.String("route", set.Route), attribute.String("code", set.Code),
					)))
				}
			},
			total: read,
		}
	},
	observe: func(values []float64) metricsLoop {
		provider := sdk.NewMeterProvider(sdk.WithReader(sdk.NewManualReader()))
		h, err := provider.Meter("bench").Float64Histogram("latency")
		if err != nil {
			panic(err)
		}
		ctx := context.Background()
		return metricsLoop{do: func(first, n int) {
			for i := first; i < first+n; i++ {
				h.Record(ctx, values[i&(len(values)-1)])
			}
		}}
	},
}

// metricsOTelCounter returns a counter and what reads the sum of its series.
func metricsOTelCounter() (metric.Int64Counter, func() float64) {
	reader := sdk.NewManualReader()
	c, err := sdk.NewMeterProvider(sdk.WithReader(reader)).Meter("bench").Int64Counter("requests")
	if err != nil {
		panic(err)
	}
	return c, func() float64 {
		var data metricdata.ResourceMetrics
		if err := reader.Collect(context.Background(), &data); err != nil {
			panic(err)
		}
		sum := 0.0
		for _, point := range data.ScopeMetrics[0].Metrics[0].Data.(metricdata.Sum[int64]).DataPoints {
			sum += float64(point.Value)
		}
		return sum
	}
}
