"""AWS Cost Explorer: a synthetic bill of what stands in the rehearsal, in Cost Explorer's real shapes."""
