"""From a trained model to one exact integer program, an HLS project, RTL, an emulator and estimates."""
