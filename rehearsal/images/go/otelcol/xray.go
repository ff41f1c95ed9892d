package main

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"
)

// xrayConfig accepts what the platform's configuration gives the exporter of that name.
type xrayConfig struct {
	Region            string   `mapstructure:"region"`
	IndexedAttributes []string `mapstructure:"indexed_attributes"`
}

// newXRay stands in for awsxrayexporter, which the Go proxy does not have: it says how many spans would have gone to
// X-Ray, and drops them.
func newXRay() exporter.Factory {
	return exporter.NewFactory(
		component.MustNewType("awsxray"),
		func() component.Config { return &xrayConfig{} },
		exporter.WithTraces(func(ctx context.Context, set exporter.Settings, config component.Config) (exporter.Traces, error) {
			drop := func(_ context.Context, traces ptrace.Traces) error {
				set.Logger.Info("stand-in: dropped what X-Ray would get", zap.Int("spans", traces.SpanCount()))
				return nil
			}
			return exporterhelper.NewTraces(ctx, set, config, drop)
		}, component.StabilityLevelDevelopment),
	)
}
