"""Using a trained model: any words on any picture."""
