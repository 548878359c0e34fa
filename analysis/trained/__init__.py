"""Questions to a trained layer: steps, time scales, rest, sensitivity, and whether its dynamics matter."""
